/** The WebRTC tier: a receive-only PeerConnection over WHEP. */
import { SOUND_LAG_MS } from '../../../../core/media/sound-lag.ts';
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import { captureTimeOfRtp } from '../measure/capture-clock.ts';
import type { PlayedMoment } from '../measure/alignment.ts';
import type { LineCounts } from '../measure/line-judge.ts';
import {
	EMPTY_CONNECTION_READING,
	SOUND_ADDED_EVENT,
	type ConnectionFailure,
	type ConnectionReading,
	type DelayControl,
	type DelayTarget,
	type MediaConnection,
	type Playback,
} from './playback.ts';
import { ListedQualities, type QualityControl } from './quality.ts';
import { TierPlayback, type PlaybackDeps } from './tier-playback.ts';
import { closeWhepSession, openWhepSession, whepFailure } from './whep-client.ts';
import { ABS_CAPTURE_TIME_URI, prepareWhepOffer } from './whep-offer.ts';
import { WebrtcReadings } from './webrtc-readings.ts';

/** ICE reports "disconnected" after some 5 s without an answer, and mostly recovers; after this the path is lost. */
const DISCONNECTED_GRACE_MS = 3000;
const READING_INTERVAL_MS = 1000;

/** What the playback uses of the browser; a test passes fakes. @internal for tests */
export type WebrtcBrowser = {
	/** Undefined where the browser or an extension blocks WebRTC. */
	createPeer(): RTCPeerConnection | undefined;
	createStream(): MediaStream;
	openSession: typeof openWhepSession;
	closeSession: typeof closeWhepSession;
};

const BROWSER: WebrtcBrowser = {
	createPeer: () =>
		typeof RTCPeerConnection === 'undefined' ? undefined : new RTCPeerConnection({ bundlePolicy: 'max-bundle' }),
	createStream: () => new MediaStream(),
	openSession: openWhepSession,
	closeSession: closeWhepSession,
};

type WebrtcOptions = {
	whepUrl: string;
	/** How long sound and picture are held back at first. */
	delayMs?: number | undefined;
	/** What the server sends to choose from. */
	qualities?: QualityControl;
};

/** Plays a channel in real time, or `delayMs` behind it. */
export function createWebrtcPlayback(deps: PlaybackDeps, options: WebrtcOptions, browser = BROWSER): Playback {
	return new TierPlayback({ ...deps, connection: new WebrtcConnection({ ...deps, browser }, options) });
}

type ConnectionDeps = Pick<PlaybackDeps, 'clock' | 'viewerId'> & { browser: WebrtcBrowser };

class WebrtcConnection implements MediaConnection, DelayControl {
	readonly tier = 'webrtc';
	readonly delay = this;
	readonly quality: QualityControl;
	readonly rebuildAfterMs = 5000;
	readonly playsToEnd = false;
	readonly #deps: ConnectionDeps;
	readonly #whepUrl: string;
	#attempt: Attempt | undefined;
	#lastReadAtMs = -Infinity;
	#target: DelayTarget;
	#lastMediaAtMs: number | undefined;
	#hasConnected = false;

	constructor(deps: ConnectionDeps, { whepUrl, delayMs = 0, qualities }: WebrtcOptions) {
		this.#deps = deps;
		this.#whepUrl = whepUrl;
		this.quality = qualities ?? new ListedQualities(undefined);
		this.#target = { pictureMs: delayMs, soundMs: delayMs };
	}

	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void {
		this.disconnect();
		const peer = this.#deps.browser.createPeer();
		if (peer === undefined) {
			const detail = 'This browser, or an extension in it, does not allow WebRTC.';
			queueMicrotask(() => onFailure({ error: { kind: 'unsupported', detail, fatal: true }, retryAfterSeconds: 0 }));
			return;
		}
		const start = { target: this.#target, isSoundAlone: this.isSoundAlone };
		this.#attempt = new Attempt({ ...this.#deps, peer, video, onFailure }, start);
		void this.#attempt.open(this.#whepUrl, this.#deps.viewerId?.());
	}

	disconnect(): void {
		this.#attempt?.close();
		this.#attempt = undefined;
	}

	get hasEnded(): boolean {
		return this.#attempt?.hasEnded === true;
	}

	leadsTo(broadcastId: string): boolean | undefined {
		return this.#attempt?.leadsTo(broadcastId);
	}

	repair(): void {
		// The browser itself requests lost packets and key frames: only a new connection can do more.
	}

	steer(nowMs: number): void {
		if (!this.isSoundAlone) {
			this.#attempt?.addPicture();
		}
		if (nowMs - this.#lastReadAtMs >= READING_INTERVAL_MS) {
			this.#lastReadAtMs = nowMs;
			this.#attempt?.read();
		}
	}

	get lastMediaAtMs(): number | undefined {
		for (const receiver of [this.#attempt?.videoReceiver, this.#attempt?.soundReceiver]) {
			for (const { timestamp } of receiver?.getSynchronizationSources() ?? []) {
				// Epoch milliseconds on the page's own clock (W3C webrtc-pc, RTCRtpContributingSource).
				this.#lastMediaAtMs = Math.max(this.#lastMediaAtMs ?? 0, timestamp - performance.timeOrigin);
			}
		}
		return this.#lastMediaAtMs;
	}

	get hasConnected(): boolean {
		this.#hasConnected ||= this.#attempt?.isConnected === true;
		return this.#hasConnected;
	}

	setTarget(target: DelayTarget): void {
		this.#target = target;
		this.#attempt?.setTarget(target);
	}

	get isSoundAlone(): boolean {
		return this.quality.shownQuality?.kind === 'sound-only';
	}

	get soundPlayedAtMs(): number | undefined {
		const source = this.#attempt?.soundReceiver?.getSynchronizationSources()[0];
		return source === undefined ? undefined : source.timestamp - performance.timeOrigin;
	}

	playedSound(): PlayedMoment | undefined {
		const source = this.#attempt?.soundReceiver?.getSynchronizationSources()[0];
		// abs-capture-time comes with some packets only; the browser interpolates the others.
		const captureTimeMs = source === undefined ? undefined : captureTimeOfRtp(source.rtpTimestamp, [source]);
		return captureTimeMs === undefined
			? undefined
			: { captureTimeMs: captureTimeMs - SOUND_LAG_MS, playedAtMs: source!.timestamp - performance.timeOrigin };
	}

	captureTimeMs(frame: VideoFrameCallbackMetadata): number | undefined {
		const sources = this.#attempt?.videoReceiver?.getSynchronizationSources();
		return frame.rtpTimestamp === undefined || sources === undefined
			? undefined
			: captureTimeOfRtp(frame.rtpTimestamp, sources);
	}

	reading(): ConnectionReading {
		return this.#attempt?.readings.latest ?? EMPTY_CONNECTION_READING;
	}

	lineCounts(): LineCounts | undefined {
		return this.#attempt?.readings.line;
	}
}

type AttemptDeps = {
	clock: Clock;
	browser: WebrtcBrowser;
	peer: RTCPeerConnection;
	video: HTMLVideoElement;
	onFailure: (failure: ConnectionFailure) => void;
};

type AttemptStart = { target: DelayTarget; isSoundAlone: boolean };

/** One PeerConnection from offer to end. */
class Attempt {
	readonly readings = new WebrtcReadings();
	videoReceiver: RTCRtpReceiver | undefined;
	soundReceiver: RTCRtpReceiver | undefined;
	readonly #deps: AttemptDeps;
	readonly #start: AttemptStart;
	readonly #stream: MediaStream;
	readonly #abort = new AbortController();
	#sessionUrl: string | undefined;
	#hasPicture = false;
	#answerSdp: string | undefined;
	readonly #disconnectedTimer: Timer;
	readonly #soundTimer: Timer;

	constructor(deps: AttemptDeps, start: AttemptStart) {
		this.#deps = deps;
		this.#start = start;
		this.#stream = deps.browser.createStream();
		this.#disconnectedTimer = new Timer(deps.clock, () => this.#fail(lost('The connection to the server broke.')));
		this.#soundTimer = new Timer(deps.clock, () => {
			this.#stream.addTrack(this.soundReceiver!.track);
			this.#attachStream();
			deps.video.dispatchEvent(new Event(SOUND_ADDED_EVENT));
		});
		deps.peer.addEventListener('connectionstatechange', () => this.#onConnectionState(), {
			signal: this.#abort.signal,
		});
	}

	async open(whepUrl: string, viewerId: string | undefined): Promise<void> {
		try {
			const offerSdp = await this.#makeOffer();
			const session = await this.#deps.browser.openSession(whepUrl, offerSdp, this.#abort.signal, viewerId);
			this.#sessionUrl = session.sessionUrl;
			if (this.#abort.signal.aborted) {
				void this.#end(session.sessionUrl);
				return;
			}
			this.#answerSdp = session.answerSdp;
			await this.#deps.peer.setRemoteDescription({ type: 'answer', sdp: session.answerSdp });
		} catch (error) {
			this.#fail(whepFailure(error));
		}
	}

	close(): void {
		this.#abort.abort();
		this.#disconnectedTimer.disarm();
		this.#soundTimer.disarm();
		// The session of a connection that the server has closed is gone.
		void this.#end(this.hasEnded ? undefined : this.#sessionUrl);
		this.#sessionUrl = undefined;
		if (this.#deps.video.srcObject !== null) {
			this.#deps.video.srcObject = null;
		}
	}

	// In this order: closing the peer ends the session on the server too, which then answers the DELETE with 404.
	async #end(sessionUrl: string | undefined): Promise<void> {
		if (sessionUrl !== undefined) {
			await this.#deps.browser.closeSession(sessionUrl);
		}
		this.#deps.peer.close();
	}

	get isConnected(): boolean {
		return this.#deps.peer.connectionState === 'connected';
	}

	/** The server has closed it: over DTLS, which a lost path cannot. */
	get hasEnded(): boolean {
		// The section of a track that the broadcast does not have is without a transport, or with a closed one.
		const transports = [this.videoReceiver, this.soundReceiver].flatMap((receiver) => receiver?.transport ?? []);
		return transports.length > 0 && transports.every(({ state }) => state === 'closed');
	}

	/** Whether it is a session of this broadcast, whose id names the streams; undefined until there is an answer. */
	leadsTo(broadcastId: string): boolean | undefined {
		return this.#answerSdp?.includes(`msid:${broadcastId} `);
	}

	/** Zero requests the least delay that the network allows; the browser has its own minimum. */
	setTarget({ pictureMs, soundMs }: DelayTarget): void {
		if (this.videoReceiver !== undefined && this.soundReceiver !== undefined) {
			this.videoReceiver.jitterBufferTarget = pictureMs;
			this.soundReceiver.jitterBufferTarget = soundMs;
		}
	}

	/** The viewer wants a picture. Before, the stream has no track of one: an element waits for the first one to play. */
	addPicture(): void {
		const track = this.videoReceiver?.track;
		if (this.#start.isSoundAlone && track !== undefined && !this.#hasPicture) {
			this.#hasPicture = true;
			this.#stream.addTrack(track);
			this.#attachStream();
		}
	}

	read(): void {
		if (this.#deps.peer.connectionState === 'connected') {
			void this.readings.refresh(this.#deps.peer);
		}
	}

	async #makeOffer(): Promise<string> {
		const { peer } = this.#deps;
		for (const kind of ['video', 'audio'] as const) {
			const transceiver = peer.addTransceiver(kind, { direction: 'recvonly' });
			offerCaptureTime(transceiver);
			if (kind === 'video' ? !this.#start.isSoundAlone : this.#start.target.soundMs === 0) {
				this.#stream.addTrack(transceiver.receiver.track);
			}
			this[kind === 'video' ? 'videoReceiver' : 'soundReceiver'] = transceiver.receiver;
		}
		this.setTarget(this.#start.target);
		if (!this.#start.isSoundAlone || this.#start.target.soundMs === 0) {
			this.#attachStream();
		}
		const offer = await peer.createOffer();
		const sdp = prepareWhepOffer(offer.sdp ?? '');
		try {
			await peer.setLocalDescription({ type: 'offer', sdp });
			return sdp;
		} catch {
			// A browser that refuses a changed offer may still play from its own, without the extensions and so without
			// capture times.
			await peer.setLocalDescription(offer);
			return offer.sdp ?? '';
		}
	}

	#onConnectionState(): void {
		this.#disconnectedTimer.disarm();
		switch (this.#deps.peer.connectionState) {
			case 'connected':
				this.#delaySound();
				break;
			case 'failed':
				this.#fail(lost('No way through to the server over UDP or TCP.'));
				break;
			case 'disconnected':
				this.#disconnectedTimer.arm(DISCONNECTED_GRACE_MS);
				break;
			default:
				break;
		}
	}

	/**
	 * A track without a sink gathers sound in the jitter buffer, and plays with the wanted delay once it is attached.
	 * With `jitterBufferTarget` alone the delay grows by only 45 ms a second.
	 */
	#delaySound(): void {
		if (this.soundReceiver !== undefined && this.#stream.getAudioTracks().length === 0) {
			this.#soundTimer.arm(this.#start.target.soundMs);
		}
	}

	/** Not while it is empty: an element plays from the first track on. */
	#attachStream(): void {
		if (this.#deps.video.srcObject !== this.#stream) {
			this.#deps.video.srcObject = this.#stream;
		}
	}

	#fail(failure: ConnectionFailure): void {
		if (!this.#abort.signal.aborted) {
			this.#deps.onFailure(failure);
		}
	}
}

function lost(detail: string): ConnectionFailure {
	return { error: { kind: 'connection-lost', detail, fatal: false }, retryAfterSeconds: 0 };
}

/** Requests abs-capture-time by the API, where there is one; else prepareWhepOffer() writes it into the offer. */
function offerCaptureTime(transceiver: RTCRtpTransceiver): void {
	const extensions = transceiver.getHeaderExtensionsToNegotiate?.();
	if (extensions?.some((extension) => extension.uri === ABS_CAPTURE_TIME_URI)) {
		transceiver.setHeaderExtensionsToNegotiate?.(
			extensions.map((extension) =>
				extension.uri === ABS_CAPTURE_TIME_URI ? { ...extension, direction: 'sendrecv' } : extension,
			),
		);
	}
}
