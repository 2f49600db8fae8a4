/** The LL-HLS tier over hls.js: connects, steers the distance to the live edge, and repairs. */
import { captureTimeOfMedia } from '../measure/capture-clock.ts';
import { hasMediaSource, loadHlsLibrary } from './hls-library.ts';
import { LadderUnavailable, loadLadder } from './hls-rungs.ts';
import { HlsSession } from './hls-session.ts';
import { NativeHlsConnection } from './native-hls-connection.ts';
import {
	EMPTY_CONNECTION_READING,
	type CaptureRange,
	type ConnectionFailure,
	type ConnectionReading,
	type MediaConnection,
	type Playback,
	type TimeShift,
} from './playback.ts';
import type { Quality, QualityControl, QualityPreference } from './quality.ts';
import { TierPlayback, type PlaybackDeps } from './tier-playback.ts';

/** What the playback uses of the browser; a test passes fakes. @internal for tests */
export type HlsBrowser = {
	hasMediaSource(): boolean;
	loadLibrary: typeof loadHlsLibrary;
	loadLadder: typeof loadLadder;
};

const BROWSER: HlsBrowser = {
	hasMediaSource,
	loadLibrary: loadHlsLibrary,
	loadLadder,
};

type HlsOptions = {
	hlsUrl: string;
	/** Start here while it is in the window, the server's epoch milliseconds. */
	fromCaptureTimeMs?: number | undefined;
	/** Behind live. */
	speed?: number;
	/** What is known of the line, in bits a second. */
	knownBps?: number | undefined;
	preference?: QualityPreference;
};

/** Plays a channel a second behind live, or from a capture time on. */
export function createHlsPlayback(deps: PlaybackDeps, options: HlsOptions, browser = BROWSER): Playback {
	const connection = browser.hasMediaSource()
		? new HlsJsConnection({ ...deps, browser }, options)
		: new NativeHlsConnection(deps, options);
	return new TierPlayback({ ...deps, connection });
}

type ConnectionDeps = Pick<PlaybackDeps, 'clock' | 'logger' | 'isPageVisible'> & { browser: HlsBrowser };

class HlsJsConnection implements MediaConnection, TimeShift {
	readonly tier = 'll-hls';
	readonly timeShift = this;
	readonly quality: QualityControl = new HlsQuality(
		() => this.#session,
		(preference) => (this.#preference = preference),
	);
	readonly rebuildAfterMs = 7000;
	readonly playsToEnd = true;
	readonly hasLiveEdge = true;
	readonly listed = undefined;
	readonly #deps: ConnectionDeps;
	readonly #hlsUrl: string;
	#knownBps: number | undefined;
	#preference: QualityPreference;
	#session: HlsSession | undefined;
	#isWatched = true;
	#speed: number;
	#isShifted: boolean;
	/** Where to start, until the seek is done. */
	#fromCaptureTimeMs: number | undefined;
	/** Also applies to the next session. */
	#isLinePoor = false;

	constructor(deps: ConnectionDeps, { hlsUrl, fromCaptureTimeMs, speed = 1, knownBps, preference }: HlsOptions) {
		this.#deps = deps;
		this.#hlsUrl = hlsUrl;
		this.#knownBps = knownBps;
		this.#preference = preference;
		this.#speed = speed;
		this.#fromCaptureTimeMs = fromCaptureTimeMs;
		this.#isShifted = fromCaptureTimeMs !== undefined;
	}

	get isWatched(): boolean {
		return this.#isWatched;
	}

	set isWatched(isWatched: boolean) {
		this.#isWatched = isWatched;
		this.#session?.setWatched(isWatched);
	}

	alignWith(aheadMs: number): void {
		this.#session?.alignWith(aheadMs);
	}

	get isStarved(): boolean {
		return this.#session?.isStarved === true;
	}

	expectPoorLine(): void {
		this.#isLinePoor = true;
		this.#session?.expectPoorLine();
	}

	get isShifted(): boolean {
		return this.#isShifted;
	}

	holdPosition(): void {
		this.#isShifted = true;
	}

	goLive(): void {
		this.#isShifted = false;
		this.#fromCaptureTimeMs = undefined;
		this.#session?.goLive();
	}

	get buffered(): readonly CaptureRange[] {
		return this.#session?.buffered ?? [];
	}

	reaches(captureTimeMs: number): boolean {
		return this.#session?.reaches(captureTimeMs) === true;
	}

	seek(captureTimeMs: number): void {
		this.#isShifted = true;
		this.#fromCaptureTimeMs = captureTimeMs;
		this.#seekWhenPossible();
	}

	setSpeed(speed: number): void {
		this.#speed = speed;
	}

	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void {
		this.disconnect();
		const { clock, logger, isPageVisible } = this.#deps;
		const session = new HlsSession({ clock, logger, isPageVisible, video, onFailure });
		session.setWatched(this.#isWatched);
		if (this.#isLinePoor) {
			session.expectPoorLine();
		}
		this.#session = session;
		this.#open(session).catch((error: unknown) => {
			if (error instanceof LadderUnavailable) {
				session.failManifest(error.status);
			} else {
				session.fail('unreachable', `The player could not be loaded: ${String(error)}`);
			}
		});
	}

	async #open(session: HlsSession): Promise<void> {
		const { clock, browser } = this.#deps;
		const loading = browser.loadLadder(clock, this.#hlsUrl, session.signal);
		// Awaited below; a failure before that must not count as unhandled.
		loading.catch(() => undefined);
		const library = await browser.loadLibrary();
		const [hlsUrl, knownBps, preference] = [this.#hlsUrl, this.#knownBps, this.#preference];
		session.open({ library, ladder: await loading, hlsUrl, knownBps, preference });
	}

	disconnect(): void {
		// The next one is over the same line.
		this.#isLinePoor = this.#session?.isFollowing ?? this.#isLinePoor;
		this.#knownBps = this.#session?.rungs?.estimateBps ?? this.#knownBps;
		this.#session?.close();
		this.#session = undefined;
	}

	get hasEnded(): boolean {
		return this.#session?.hasEnded === true;
	}

	leadsTo(broadcastId: string): boolean | undefined {
		return this.#session?.leadsTo(broadcastId);
	}

	repair(step: number): void {
		this.#session?.repair(step);
	}

	steer(nowMs: number): void {
		if (!this.#isShifted) {
			this.#session?.steer(nowMs);
			return;
		}
		this.#session?.keepDistance(nowMs, this.#speed);
		this.#seekWhenPossible();
	}

	#seekWhenPossible(): void {
		if (this.#fromCaptureTimeMs !== undefined && this.#session?.hasPlaylist === true) {
			// A capture time that has left the window: play at the live edge.
			this.#isShifted = this.#session.seekToCaptureTime(this.#fromCaptureTimeMs);
			this.#fromCaptureTimeMs = undefined;
		}
	}

	captureTimeMs(frame: VideoFrameCallbackMetadata): number | undefined {
		return captureTimeOfMedia(frame.mediaTime, this.#session?.fragments ?? []);
	}

	reading(): ConnectionReading {
		return this.#session?.reading() ?? EMPTY_CONNECTION_READING;
	}
}

/** The qualities of the session that plays. */
class HlsQuality implements QualityControl {
	readonly #session: () => HlsSession | undefined;
	readonly #onPrefer: (preference: QualityPreference) => void;

	constructor(session: () => HlsSession | undefined, onPrefer: (preference: QualityPreference) => void) {
		this.#session = session;
		this.#onPrefer = onPrefer;
	}

	get qualities(): readonly Quality[] {
		return this.#session()?.rungs?.qualities ?? [];
	}

	get quality(): Quality | undefined {
		return this.#session()?.rungs?.quality;
	}

	get shownQuality(): Quality | undefined {
		return this.#session()?.rungs?.shownQuality;
	}

	prefer(preference: QualityPreference): void {
		this.#onPrefer(preference);
		this.#session()?.rungs?.prefer(preference);
	}
}
