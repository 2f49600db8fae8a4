/** The WebRTC tier: a receive-only PeerConnection over WHEP. */
import { type CancelTimer, type Clock } from '../../../core/clock.ts';
import { captureTimeOfRtp } from './capture-clock.ts';
import {
	EMPTY_CONNECTION_READING,
	type ConnectionFailure,
	type ConnectionReading,
	type MediaConnection,
	type Playback,
} from './playback.ts';
import { TierPlayback, type PlaybackDependencies } from './tier-playback.ts';
import { closeWhepSession, openWhepSession, whepFailure } from './whep-client.ts';
import { ABS_CAPTURE_TIME_URI, prepareWhepOffer } from './whep-offer.ts';
import { WebrtcReadings } from './webrtc-readings.ts';

/** ICE calls a path "disconnected" after some 5 s without an answer and mostly finds it again; longer is a lost one. */
const DISCONNECTED_GRACE_MS = 3000;
const READING_INTERVAL_MS = 1000;

/** Plays a channel in real time. */
export function createWebrtcPlayback(whepUrl: string, dependencies: PlaybackDependencies): Playback {
	return new TierPlayback(new WebrtcConnection(whepUrl, dependencies.clock), dependencies);
}

class WebrtcConnection implements MediaConnection {
	readonly tier = 'webrtc';
	readonly rebuildAfterMs = 5000;
	readonly #whepUrl: string;
	readonly #clock: Clock;
	#attempt: Attempt | undefined;
	#lastReadAtMs = -Infinity;

	constructor(whepUrl: string, clock: Clock) {
		this.#whepUrl = whepUrl;
		this.#clock = clock;
	}

	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void {
		this.disconnect();
		if (typeof RTCPeerConnection === 'undefined') {
			const detail = 'This browser, or an extension in it, does not allow WebRTC.';
			queueMicrotask(() => onFailure({ error: { kind: 'unsupported', detail, fatal: true }, retryAfterSeconds: 0 }));
			return;
		}
		this.#attempt = new Attempt(this.#clock, video, onFailure);
		void this.#attempt.open(this.#whepUrl);
	}

	disconnect(): void {
		this.#attempt?.close();
		this.#attempt = undefined;
	}

	mend(): void {
		// Lost packets are asked for, and key frames requested, by the browser itself: only a new connection can do more.
	}

	steer(nowMs: number): void {
		if (nowMs - this.#lastReadAtMs >= READING_INTERVAL_MS) {
			this.#lastReadAtMs = nowMs;
			this.#attempt?.read();
		}
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
}

/** One PeerConnection from offer to end. */
class Attempt {
	readonly readings = new WebrtcReadings();
	videoReceiver: RTCRtpReceiver | undefined;
	readonly #clock: Clock;
	readonly #video: HTMLVideoElement;
	readonly #onFailure: (failure: ConnectionFailure) => void;
	readonly #abort = new AbortController();
	readonly #peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
	#sessionUrl: string | undefined;
	#cancelDisconnected: CancelTimer | undefined;

	constructor(clock: Clock, video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void) {
		this.#clock = clock;
		this.#video = video;
		this.#onFailure = onFailure;
		this.#peer.addEventListener('connectionstatechange', () => this.#onConnectionState());
	}

	async open(whepUrl: string): Promise<void> {
		try {
			const offerSdp = await this.#makeOffer();
			const session = await openWhepSession(whepUrl, offerSdp, this.#abort.signal);
			this.#sessionUrl = session.sessionUrl;
			if (this.#abort.signal.aborted) {
				closeWhepSession(session.sessionUrl);
				return;
			}
			await this.#peer.setRemoteDescription({ type: 'answer', sdp: session.answerSdp });
		} catch (error) {
			this.#fail(whepFailure(error));
		}
	}

	close(): void {
		this.#abort.abort();
		this.#cancelDisconnected?.();
		this.#peer.close();
		if (this.#sessionUrl !== undefined) {
			closeWhepSession(this.#sessionUrl);
			this.#sessionUrl = undefined;
		}
		if (this.#video.srcObject !== null) {
			this.#video.srcObject = null;
		}
	}

	read(): void {
		if (this.#peer.connectionState === 'connected') {
			void this.readings.refresh(this.#peer);
		}
	}

	async #makeOffer(): Promise<string> {
		const stream = new MediaStream();
		for (const kind of ['video', 'audio'] as const) {
			const transceiver = this.#peer.addTransceiver(kind, { direction: 'recvonly' });
			offerCaptureTime(transceiver);
			// Zero asks for the least delay the network allows; the browser keeps a minimum of its own.
			transceiver.receiver.jitterBufferTarget = 0;
			stream.addTrack(transceiver.receiver.track);
			if (kind === 'video') {
				this.videoReceiver = transceiver.receiver;
			}
		}
		this.#video.srcObject = stream;
		const offer = await this.#peer.createOffer();
		const sdp = prepareWhepOffer(offer.sdp ?? '');
		try {
			await this.#peer.setLocalDescription({ type: 'offer', sdp });
			return sdp;
		} catch {
			// A browser that refuses a changed offer may still play from its own: what is lost is the extensions, and with
			// them the capture time.
			await this.#peer.setLocalDescription(offer);
			return offer.sdp ?? '';
		}
	}

	#onConnectionState(): void {
		this.#cancelDisconnected?.();
		switch (this.#peer.connectionState) {
			case 'failed':
				this.#fail(lost('No way through to the server over UDP or TCP.'));
				break;
			case 'disconnected':
				this.#cancelDisconnected = this.#clock.setTimeout(
					() => this.#fail(lost('The connection to the server broke.')),
					DISCONNECTED_GRACE_MS,
				);
				break;
			default:
				break;
		}
	}

	#fail(failure: ConnectionFailure): void {
		if (!this.#abort.signal.aborted) {
			this.#onFailure(failure);
		}
	}
}

function lost(detail: string): ConnectionFailure {
	return { error: { kind: 'connection-lost', detail, fatal: false }, retryAfterSeconds: 0 };
}

/** Asks for abs-capture-time the proper way, where there is one; else prepareWhepOffer() writes it into the offer. */
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
