/** Publishes a MediaStream by WHIP (RFC 9725), and reconnects when the connection breaks. */
import { retryDelayMs, type RetryPolicy } from '../../../../../core/lifecycle/back-off.ts';
import type { CancelTimer, Clock } from '../../../../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../../../../core/lifecycle/typed-emitter.ts';
import { ApiError, request } from '../../../api/request.ts';

const GATHERING_TIMEOUT_MS = 1500;
const CONNECT_TIMEOUT_MS = 12_000;
/** How long a disconnected network may take to recover before a new session is made. */
const DISCONNECTED_GRACE_MS = 3000;
const RETRY_POLICY: RetryPolicy = { maxAttempts: 7, firstDelayMs: 500, maxDelayMs: 8000, jitterRatio: 0 };
const VIDEO_BITRATE_BPS = 4_000_000;
const AUDIO_BITRATE_BPS = 128_000;

/** `reconnecting`: a new session is being made; viewers wait within the grace window. */
export type PublishState = 'connecting' | 'live' | 'reconnecting' | 'stopped';

type WhipPublisherEvents = {
	stateChanged: [state: PublishState];
	/** It has stopped without {@link WhipPublisher.stop}. */
	failed: [detail: string];
};

/** Measurements of the sending side; undefined until measured. */
export type PublishReading = {
	bitrateBps: number | undefined;
	frameRate: number | undefined;
	widthPixels: number | undefined;
	heightPixels: number | undefined;
	codec: string | undefined;
	/** Why the browser sends less than it could: `cpu`, `bandwidth`. */
	limitedBy: string | undefined;
};

type Session = { connection: RTCPeerConnection; sessionUrl: string | undefined };

/** What the publisher uses of the browser; a test passes fakes. @internal for tests */
export type WhipBrowser = {
	createPeer(): RTCPeerConnection;
	videoCodecs(): RTCRtpCodec[];
	request: typeof request;
	/** Like {@link request}, but it works during page unload, and its answer is not awaited. */
	sendLast(url: string, init: RequestInit): Promise<unknown>;
};

const BROWSER: WhipBrowser = {
	createPeer: () => new RTCPeerConnection({ bundlePolicy: 'max-bundle' }),
	videoCodecs: () => RTCRtpSender.getCapabilities('video')?.codecs ?? [],
	request,
	sendLast: (url, init) => fetch(url, { ...init, keepalive: true }),
};

/** One broadcast from this page. Started once, stopped once. */
export class WhipPublisher extends TypedEmitter<WhipPublisherEvents> {
	readonly #deps: { clock: Clock; browser: WhipBrowser };
	readonly #options: { stream: MediaStream; whipUrl: string; streamKey: string };
	#session: Session | undefined;
	#state: PublishState = 'connecting';
	#failureCount = 0;
	#cancelTimer: CancelTimer | undefined;
	#sentBefore: { bytes: number; atMs: number } | undefined;

	constructor(
		{ clock, browser = BROWSER }: { clock: Clock; browser?: WhipBrowser },
		options: { stream: MediaStream; whipUrl: string; streamKey: string },
	) {
		super();
		this.#deps = { clock, browser };
		this.#options = options;
	}

	get state(): PublishState {
		return this.#state;
	}

	/** Reports its progress as events. */
	start(): void {
		void this.#connect();
	}

	/** Ends the session, also at the server. Does not stop the stream's tracks. Idempotent. */
	stop(): void {
		this.#setState('stopped');
		this.#cancelTimer?.();
		this.#dropSession();
	}

	async reading(): Promise<PublishReading> {
		const empty = { bitrateBps: undefined, frameRate: undefined, widthPixels: undefined, heightPixels: undefined };
		const report = await this.#session?.connection.getStats();
		const sending = [...(report?.values() ?? [])].find(({ type, kind }) => type === 'outbound-rtp' && kind === 'video');
		if (report === undefined || sending === undefined) {
			return { ...empty, codec: undefined, limitedBy: undefined };
		}
		const atMs = this.#deps.clock.monotonicMs();
		const before = this.#sentBefore;
		this.#sentBefore = { bytes: sending.bytesSent, atMs };
		const codec = report.get(sending.codecId) as { mimeType?: string } | undefined;
		return {
			bitrateBps:
				before === undefined || sending.bytesSent < before.bytes
					? undefined
					: ((sending.bytesSent - before.bytes) * 8000) / Math.max(1, atMs - before.atMs),
			frameRate: sending.framesPerSecond,
			widthPixels: sending.frameWidth,
			heightPixels: sending.frameHeight,
			codec: codec?.mimeType?.split('/')[1],
			limitedBy: ['cpu', 'bandwidth'].includes(sending.qualityLimitationReason)
				? sending.qualityLimitationReason
				: undefined,
		};
	}

	async #connect(): Promise<void> {
		this.#dropSession();
		const { whipUrl, streamKey } = this.#options;
		const session: Session = { connection: this.#deps.browser.createPeer(), sessionUrl: undefined };
		this.#session = session;
		const { connection } = session;
		connection.onconnectionstatechange = () => this.#onConnectionState(session);
		this.#cancelTimer = this.#deps.clock.setTimeout(
			() => this.#onLoss(session, 'No connection came about: UDP and TCP may be blocked between here and the server.'),
			CONNECT_TIMEOUT_MS,
		);
		try {
			await this.#addTracks(connection);
			await connection.setLocalDescription();
			await this.#gathered(connection);
			const sdpType = 'application/sdp';
			const response = await this.#deps.browser.request(whipUrl, {
				method: 'POST',
				headers: { 'content-type': sdpType, accept: sdpType, authorization: `Bearer ${streamKey}` },
				body: connection.localDescription!.sdp,
			});
			const location = response.headers.get('location');
			session.sessionUrl = location === null ? undefined : new URL(location, response.url).href;
			if (this.#session !== session) {
				// Stopped while the answer was under way: end the session at the server.
				this.#endAtServer(session);
				return;
			}
			await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
		} catch (error) {
			this.#onConnectError(session, error);
		}
	}

	async #addTracks(connection: RTCPeerConnection): Promise<void> {
		const { stream } = this.#options;
		for (const track of stream.getTracks()) {
			const isVideo = track.kind === 'video';
			const transceiver = connection.addTransceiver(track, {
				direction: 'sendonly',
				streams: [stream],
				sendEncodings: [{ maxBitrate: isVideo ? VIDEO_BITRATE_BPS : AUDIO_BITRATE_BPS }],
			});
			if (isVideo) {
				const codecs = orderVideoCodecs(this.#deps.browser.videoCodecs());
				if (codecs.length > 0) {
					transceiver.setCodecPreferences(codecs);
				}
				// A change of size while live causes a re-encoded LL-HLS leg; a lower frame rate does not.
				const parameters = { ...transceiver.sender.getParameters(), degradationPreference: 'maintain-resolution' };
				await transceiver.sender.setParameters(parameters as never);
			}
		}
	}

	/** The server accepts no later candidates, so the offer waits for them, but not for a slow STUN server. */
	#gathered(connection: RTCPeerConnection): Promise<void> {
		if (connection.iceGatheringState === 'complete') {
			return Promise.resolve();
		}
		return new Promise((resolve) => {
			const cancel = this.#deps.clock.setTimeout(resolve, GATHERING_TIMEOUT_MS);
			connection.onicegatheringstatechange = () => {
				if (connection.iceGatheringState === 'complete') {
					cancel();
					resolve();
				}
			};
		});
	}

	#onConnectionState(session: Session): void {
		if (this.#session !== session || this.#state === 'stopped') {
			return;
		}
		switch (session.connection.connectionState) {
			case 'connected':
				this.#cancelTimer?.();
				this.#failureCount = 0;
				this.#setState('live');
				break;
			case 'disconnected':
				this.#cancelTimer?.();
				this.#cancelTimer = this.#deps.clock.setTimeout(
					() => this.#onLoss(session, 'The connection was lost.'),
					DISCONNECTED_GRACE_MS,
				);
				break;
			case 'failed':
				this.#onLoss(session, 'The connection was lost.');
				break;
			default:
		}
	}

	#onConnectError(session: Session, error: unknown): void {
		if (error instanceof ApiError && error.httpStatus >= 400 && error.httpStatus < 500 && error.httpStatus !== 429) {
			this.#giveUp(session, error.message);
			return;
		}
		const waitMs = error instanceof ApiError ? error.retryAfterSeconds * 1000 : 0;
		this.#onLoss(session, error instanceof Error ? error.message : String(error), waitMs);
	}

	#onLoss(session: Session, detail: string, leastDelayMs = 0): void {
		if (this.#session !== session || this.#state === 'stopped') {
			return;
		}
		this.#dropSession();
		const delayMs = retryDelayMs(RETRY_POLICY, ++this.#failureCount, 0);
		if (delayMs === undefined) {
			this.#giveUp(session, detail);
			return;
		}
		this.#setState('reconnecting');
		this.#cancelTimer = this.#deps.clock.setTimeout(() => void this.#connect(), Math.max(delayMs, leastDelayMs));
	}

	#giveUp(session: Session, detail: string): void {
		if (this.#session !== undefined && this.#session !== session) {
			return;
		}
		this.stop();
		this.emit('failed', detail);
	}

	#dropSession(): void {
		this.#cancelTimer?.();
		const session = this.#session;
		this.#session = undefined;
		this.#sentBefore = undefined;
		if (session !== undefined) {
			session.connection.onconnectionstatechange = null;
			session.connection.close();
			this.#endAtServer(session);
		}
	}

	// RFC 9725 §4.2: a DELETE ends the session.
	#endAtServer({ sessionUrl }: Session): void {
		if (sessionUrl !== undefined) {
			const headers = { authorization: `Bearer ${this.#options.streamKey}` };
			this.#deps.browser.sendLast(sessionUrl, { method: 'DELETE', headers }).catch(() => {
				// The server is not reachable: the session ends when no more packets arrive.
			});
		}
	}

	#setState(state: PublishState): void {
		if (this.#state !== state && this.#state !== 'stopped') {
			this.#state = state;
			this.emit('stateChanged', state);
		}
	}
}

type OfferedCodec = { mimeType: string; sdpFmtpLine?: string };

/**
 * H.264 with packetization-mode 1 first, baseline (which has no B-frames) before main before the rest; then VP8, which
 * the server re-encodes; then retransmission and error correction. The server accepts no other codecs.
 * @internal for tests
 */
export function orderVideoCodecs<Codec extends OfferedCodec>(codecs: readonly Codec[]): Codec[] {
	return codecs
		.map((codec, index) => ({ codec, index, rank: rankOf(codec) }))
		.filter(({ rank }) => rank < Infinity)
		.sort((a, b) => a.rank - b.rank || a.index - b.index)
		.map(({ codec }) => codec);
}

function rankOf({ mimeType, sdpFmtpLine = '' }: OfferedCodec): number {
	switch (mimeType.toLowerCase()) {
		case 'video/h264': {
			// RFC 6184 §8.1: the first two digits of profile-level-id are the profile; 42 is baseline, 4d main.
			const profile = /profile-level-id=([0-9a-f]{2})/i.exec(sdpFmtpLine)?.[1]?.toLowerCase() ?? '42';
			const mode = /packetization-mode=1/.test(sdpFmtpLine) ? 0 : 3;
			return mode + (profile === '42' ? 0 : profile === '4d' ? 1 : 2);
		}
		case 'video/vp8':
			return 10;
		case 'video/rtx':
		case 'video/red':
		case 'video/ulpfec':
			return 20;
		default:
			return Infinity;
	}
}
