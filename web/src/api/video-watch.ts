/** Loads a video's description, and keeps it fresh while the video is being recorded. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import type { OwnVideo } from '../../../core/protocol/api/video.ts';
import { ApiError } from './request.ts';

/** While the video grows. Its media come by themselves; only title, state and length may change. */
const RECORDING_INTERVAL_MS = 10_000;
/** While a viewer waits for the first media of a broadcast, or for a server that does not answer. */
const WAITING_INTERVAL_MS = 3000;

/**
 * Why there is no video to show. `missing`: there is none for this user. `private`: it is another user's. `gone`: it
 * was here. `unreachable`: no usable answer.
 */
export type VideoAbsence = 'missing' | 'private' | 'gone' | 'unreachable';

/** A clip is complete from its start. */
type Watched = Pick<OwnVideo, 'state' | 'playlistUrl'>;

type VideoWatchEvents<Video extends Watched> = {
	described: [video: Video];
	absent: [absence: VideoAbsence];
};

type VideoWatchDeps<Video extends Watched> = {
	clock: Clock;
	fetchVideo: (signal: AbortSignal) => Promise<Video>;
};

/** Also of clips. */
export class VideoWatch<Video extends Watched = OwnVideo> extends TypedEmitter<VideoWatchEvents<Video>> {
	readonly #deps: VideoWatchDeps<Video>;
	readonly #abort = new AbortController();
	readonly #timer: Timer;
	#asking: Promise<void> | undefined;
	#hasBeenHere = false;

	constructor(deps: VideoWatchDeps<Video>) {
		super();
		this.#deps = deps;
		this.#timer = new Timer(deps.clock, () => void this.askNow());
	}

	/** Asks now, unless a request is under way. Also starts the watch. Resolves after the answer was reported. */
	askNow(): Promise<void> {
		this.#timer.disarm();
		this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
		return this.#asking;
	}

	stop(): void {
		this.#abort.abort();
		this.#timer.disarm();
	}

	async #ask(): Promise<void> {
		const { signal } = this.#abort;
		let intervalMs: number | undefined;
		try {
			const video = await this.#deps.fetchVideo(signal);
			if (signal.aborted) {
				return;
			}
			this.#hasBeenHere = true;
			if (video.state === 'recording') {
				intervalMs = video.playlistUrl === null ? WAITING_INTERVAL_MS : RECORDING_INTERVAL_MS;
			}
			this.emit('described', video);
		} catch (error) {
			if (signal.aborted) {
				return;
			}
			const absence = absenceOf(error, this.#hasBeenHere);
			intervalMs = absence === 'unreachable' ? WAITING_INTERVAL_MS : undefined;
			this.emit('absent', absence);
		}
		// A listener may have stopped it.
		if (intervalMs !== undefined && !this.#abort.signal.aborted) {
			this.#timer.arm(intervalMs);
		}
	}
}

function absenceOf(error: unknown, hasBeenHere: boolean): VideoAbsence {
	const status = error instanceof ApiError ? error.httpStatus : 0;
	if (status === 410 || (status === 404 && hasBeenHere)) {
		return 'gone';
	}
	if (status === 401 || status === 403) {
		return 'private';
	}
	// A malformed id is refused with 400.
	return status === 404 || status === 400 ? 'missing' : 'unreachable';
}
