/** A viewer of a path: how it is opened, and its log on the bench's clock. */
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import type { ViewerLog, ViewerOptions } from '../../clients/chromium/chromium-viewer.ts';
import type { ServerUnderTest } from './server-under-test.ts';

/** How a viewer is opened; the path adds the tier. */
export type ViewerChoice = Pick<ViewerOptions, 'page' | 'videoSelector'> & {
	queries?: Record<DeliveryTier, ViewerOptions['query']>;
	clickSelectors?: Record<DeliveryTier, ViewerOptions['clickSelector']>;
};

/** Options of a viewer of that server and tier. */
export function viewerOptions(server: ServerUnderTest, choice: ViewerChoice, tier: DeliveryTier): ViewerOptions {
	const { queries, clickSelectors, ...rest } = choice;
	const { httpUrl, channel } = server.addresses;
	const [query, clickSelector] = [queries?.[tier], clickSelectors?.[tier]];
	return { ...rest, httpUrl, channel, tier, withSound: true, query, clickSelector };
}

/** Converts capture times of another process's clock to the bench's. */
export function onBenchClock(log: ViewerLog, clockOffsetMs: number): Pick<ViewerLog, 'shown' | 'heard'> {
	const move = <Item extends { captureTimeMs: number }>(item: Item): Item => ({
		...item,
		captureTimeMs: item.captureTimeMs + clockOffsetMs,
	});
	return { shown: log.shown.map(move), heard: log.heard.map(move) };
}
