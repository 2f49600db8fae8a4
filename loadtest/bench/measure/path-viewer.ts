/** A viewer of a path: how it is opened, and its log on the bench's clock. */
import type { IngestAddresses } from '../../clients/create-publisher.ts';
import type { DeliveryTier, ViewerLog, ViewerOptions } from '../../clients/chromium/chromium-viewer.ts';

/** How a viewer is opened; the path adds the tier. */
export type ViewerChoice = Pick<ViewerOptions, 'page' | 'videoSelector' | 'jitterBufferTargetMs'> & {
	/** Product page: what is appended to the address, per tier. */
	queries?: Partial<Record<DeliveryTier, string>>;
	/** Product page: what is clicked, per tier. */
	clickSelectors?: Partial<Record<DeliveryTier, readonly string[]>>;
};

/** Addresses of the server, and its process where it is ours. */
export type PathServer = { addresses: IngestAddresses & { channel: string }; pid: number | undefined };

/** Options of a viewer of that server and tier. */
export function viewerOptions(server: PathServer, choice: ViewerChoice, tier: DeliveryTier): ViewerOptions {
	const { queries, clickSelectors, ...rest } = choice;
	return {
		...rest,
		httpUrl: server.addresses.httpUrl,
		channel: server.addresses.channel,
		tier,
		withSound: true,
		...(queries?.[tier] === undefined ? {} : { query: queries[tier] }),
		...(clickSelectors?.[tier] === undefined ? {} : { clickSelectors: clickSelectors[tier] }),
	};
}

/** Moves capture times that were drawn by another process's clock onto the bench's. */
export function onBenchClock(log: ViewerLog, clockOffsetMs: number): Pick<ViewerLog, 'shown' | 'heard'> {
	const move = <Item extends { captureTimeMs: number }>(item: Item): Item => ({
		...item,
		captureTimeMs: item.captureTimeMs + clockOffsetMs,
	});
	return { shown: log.shown.map(move), heard: log.heard.map(move) };
}
