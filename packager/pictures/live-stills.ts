/** A still picture of each live broadcast, about every ten seconds, from key frames that are in memory anyway. */
import { createHash } from 'node:crypto';
import type { BroadcastId } from '../../core/ids.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import type { Logger } from '../../core/logger.ts';
import { displaySize, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { readVideoConfig } from '../cmaf/init-reader.ts';
import type { BroadcastPackager } from '../live/broadcast-packager.ts';
import type { RenditionEntry } from '../live/tracks-in-step.ts';
import { fitWidth } from '../recording/storyboard.ts';
import { locateKeyFrame, type KeyFrame } from './key-frame.ts';
import type { PictureMaker } from './picture-maker.ts';

/** A JPEG. */
type Still = { bytes: Uint8Array; etag: string };

type StillSource = Pick<BroadcastPackager, 'broadcastId' | 'offered' | 'store' | 'on' | 'state'>;

type Watched = {
	source: StillSource;
	still: Still | undefined;
	/** When the last one was tried. */
	triedAtMs: number;
	/** The part that it is of. */
	partName: string | undefined;
};

type LiveStillsDependencies = {
	maker: Pick<PictureMaker, 'stills'>;
	clock: Clock;
	logger: Logger;
	/** False while media needs the machine: the stills stay as they are. */
	mayRun: () => boolean;
};

/** From one still of a broadcast to the next, where there is time. @internal for tests */
export const STILL_INTERVAL_MS = 10_000;
/** A new broadcast gets its first one so soon after its first key frame. @internal for tests */
export const LOOK_INTERVAL_MS = 1000;
/** Of a card on a page with two pixels for one. 30 kB at most. */
const MAX_WIDTH_PIXELS = 480;

/** Makes one at a time, that of the longest wait first. */
export class LiveStills {
	readonly #deps: LiveStillsDependencies;
	readonly #watched = new Map<BroadcastId, Watched>();
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #failures: RateLimitedReport;
	#work: Promise<void> | undefined;

	constructor(deps: LiveStillsDependencies) {
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
		this.#failures = new RateLimitedReport(deps.clock, deps.logger, 'a still picture could not be made', 60_000);
		this.#scope.onClose(() => this.#work);
		this.#scope.every(deps.clock, LOOK_INTERVAL_MS, () => this.#look());
	}

	/** Until the broadcast ends; then there is no still of it. */
	watch(source: StillSource): void {
		if (source.state === 'ended' || source.state === 'closed') {
			return;
		}
		const { broadcastId } = source;
		this.#watched.set(broadcastId, { source, still: undefined, triedAtMs: -Infinity, partName: undefined });
		const forget = (): void => void this.#watched.delete(broadcastId);
		source.on('ended', forget, { once: true });
		source.on('closed', forget, { once: true });
	}

	/** The newest one; undefined for a broadcast that has none yet, or has ended. */
	still(broadcastId: BroadcastId): Still | undefined {
		return this.#watched.get(broadcastId)?.still;
	}

	/** Gives up what runs. Idempotent. */
	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	#look(): void {
		this.#work ??= this.#makeDue().finally(() => (this.#work = undefined));
	}

	async #makeDue(): Promise<void> {
		for (let due = this.#nextDue(); due !== undefined && this.#deps.mayRun(); due = this.#nextDue()) {
			due.triedAtMs = this.#deps.clock.monotonicMs();
			try {
				await this.#make(due);
			} catch (error) {
				if (this.#scope.closed) {
					return;
				}
				this.#failures.count({ broadcastId: due.source.broadcastId, reason: errorMessage(error) });
			}
		}
	}

	#nextDue(): Watched | undefined {
		const dueMs = this.#deps.clock.monotonicMs() - STILL_INTERVAL_MS;
		return [...this.#watched.values()]
			.filter((each) => each.triedAtMs <= dueMs && newestKeyFrame(each.source) !== undefined)
			.reduce<Watched | undefined>((one, other) => (one && one.triedAtMs <= other.triedAtMs ? one : other), undefined);
	}

	async #make(watched: Watched): Promise<void> {
		const found = newestKeyFrame(watched.source);
		if (found === undefined || found.partName === watched.partName) {
			return;
		}
		const size = fitWidth(displaySize(found.keyFrame.config), MAX_WIDTH_PIXELS);
		const frames = [{ place: 0, keyFrame: found.keyFrame }];
		const bytes = (await this.#deps.maker.stills(frames, size, this.#scope.signal)).get(0);
		if (bytes !== undefined) {
			const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
			watched.still = { bytes, etag };
			watched.partName = found.partName;
		}
	}
}

/** Of the smallest picture that has one. */
function newestKeyFrame({ offered, store }: StillSource): { keyFrame: KeyFrame; partName: string } | undefined {
	const pixelsOf = (config: VideoTrackConfig): number => {
		const { widthPixels, heightPixels } = displaySize(config);
		return widthPixels * heightPixels;
	};
	const pictures = offered
		.flatMap(({ config, ...entry }) => (config.kind === 'video' ? [{ ...entry, config }] : []))
		.toSorted((one, other) => pixelsOf(one.config) - pixelsOf(other.config));
	for (const { trackId, rendition } of pictures) {
		const found = newestIn(trackId, rendition.segments, store);
		if (found !== undefined) {
			return found;
		}
	}
	return undefined;
}

function newestIn(
	trackId: RenditionEntry['trackId'],
	segments: RenditionEntry['rendition']['segments'],
	store: StillSource['store'],
): { keyFrame: KeyFrame; partName: string } | undefined {
	const segment = segments.findLast(({ parts }) => parts.some(({ isIndependent, isGap }) => isIndependent && !isGap));
	const part = segment?.parts.findLast(({ isIndependent, isGap }) => isIndependent && !isGap);
	const bytes = part && store.get(`${trackId}/${part.name}`);
	const init = segment?.initName === undefined ? undefined : store.get(`${trackId}/${segment.initName}`);
	const config = init && readVideoConfig(init);
	const range = bytes && locateKeyFrame(bytes);
	return part === undefined || bytes === undefined || config === undefined || range === undefined
		? undefined
		: { keyFrame: { config, bytes: bytes.subarray(range.startByte, range.endByte) }, partName: part.name };
}
