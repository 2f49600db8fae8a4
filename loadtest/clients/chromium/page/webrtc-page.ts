/** Runs in the page: plain WHIP and WHEP clients and the two ends of a direct connection. */
import { createCanvasSource } from './canvas-source.ts';
import type { CanvasSourceOptions } from './canvas-source.ts';
import type { PagePeerConnection, PageSender, PageStream, PageTrack, PageVideo, PageWindow } from './dom-types.ts';

export type SendOptions = CanvasSourceOptions & {
	codec: 'h264' | 'vp8';
	videoBitrateBps: number;
	/** Simulcast layers, each with half the height of the one before; default 1. */
	layerCount?: number;
	/** Asks its own encoder for key frames this often, as a server does; without it, for none. */
	keyFrameIntervalMs?: number | undefined;
};

const page = globalThis as unknown as PageWindow;
const connections: PagePeerConnection[] = [];
let sessionUrl: string | undefined;
let sessionKey: string | undefined;

/** Makes a connection that sends the canvas source; resolves with its offer, all candidates in it. */
export async function sendCanvasDirectly(options: SendOptions): Promise<string> {
	const stream = createCanvasSource(options);
	const connection = createConnection();
	for (const track of [...stream.getAudioTracks(), ...stream.getVideoTracks()]) {
		await addSender(connection, track, stream, options);
	}
	await connection.setLocalDescription(await connection.createOffer());
	return withCandidates(connection);
}

/** Sets the answer of the newest connection. */
export async function acceptAnswer(sdp: string): Promise<void> {
	await connections.at(-1)!.setRemoteDescription({ type: 'answer', sdp });
}

/** Makes a connection that receives an offer into the video element; resolves with the answer, all candidates in it. */
export async function answerOffer(sdp: string): Promise<string> {
	const connection = createConnection();
	playTracks(connection);
	await connection.setRemoteDescription({ type: 'offer', sdp });
	await connection.setLocalDescription(await connection.createAnswer());
	return withCandidates(connection);
}

/** Publishes the canvas source by WHIP (RFC 9725). Throws with the status when it is refused. */
export async function sendCanvasByWhip(options: SendOptions, url: string, key: string): Promise<void> {
	sessionKey = key;
	await negotiate('WHIP', url, await sendCanvasDirectly(options), { Authorization: `Bearer ${key}` });
}

/** Stops sending a simulcast layer, by its place, or sends it again. */
export async function switchLayer(index: number, isOn: boolean): Promise<void> {
	const sender = connections
		.at(-1)!
		.getSenders()
		.find(({ track }) => track?.kind === 'video')!;
	const parameters = sender.getParameters();
	parameters.encodings[index]!.active = isOn;
	await sender.setParameters(parameters);
}

/** Plays a channel by WHEP. Throws with the status when it is refused. */
export async function playByWhep(url: string): Promise<void> {
	const connection = createConnection();
	playTracks(connection);
	for (const kind of ['audio', 'video']) {
		connection.addTransceiver(kind, { direction: 'recvonly' });
	}
	await connection.setLocalDescription(await connection.createOffer());
	await negotiate('WHEP', url, await withCandidates(connection), {});
}

/** DELETEs the WHIP or WHEP session, then closes. */
export async function endSession(): Promise<void> {
	if (sessionUrl !== undefined) {
		const headers: Record<string, string> = sessionKey === undefined ? {} : { Authorization: `Bearer ${sessionKey}` };
		// The server may be gone already.
		await fetch(sessionUrl, { method: 'DELETE', headers }).catch(() => undefined);
		sessionUrl = undefined;
	}
	connections.splice(0).forEach((connection) => connection.close());
}

/** State of the newest connection and its RTP statistics, for the report. */
export async function connectionFacts(): Promise<{ state: string; stats: Array<Record<string, unknown>> }> {
	const connection = connections.at(-1);
	if (connection === undefined) {
		return { state: 'none', stats: [] };
	}
	const stats = [...(await connection.getStats()).values()];
	return {
		state: connection.connectionState,
		stats: stats.filter((row) => ['inbound-rtp', 'outbound-rtp', 'candidate-pair'].includes(String(row['type']))),
	};
}

function createConnection(): PagePeerConnection {
	const connection = new page.RTCPeerConnection();
	connections.push(connection);
	return connection;
}

async function negotiate(protocol: string, url: string, offer: string, headers: Record<string, string>): Promise<void> {
	const response = await fetch(url, {
		method: 'POST',
		headers: { 'Content-Type': 'application/sdp', ...headers },
		body: offer,
	});
	if (response.status !== 201) {
		throw new Error(`${protocol} was answered with ${response.status}: ${(await response.text()).slice(0, 200)}`);
	}
	sessionUrl = new URL(response.headers.get('location') ?? '', url).href;
	await acceptAnswer(await response.text());
}

async function addSender(
	connection: PagePeerConnection,
	track: PageTrack,
	stream: PageStream,
	options: SendOptions,
): Promise<void> {
	const init = { direction: 'sendonly', streams: [stream] };
	if (track.kind !== 'video') {
		connection.addTransceiver(track, init);
		return;
	}
	const { videoBitrateBps, frameRate: maxFramerate, layerCount = 1 } = options;
	const sendEncodings = Array.from({ length: layerCount }, (_, index) => {
		const encoding = { maxBitrate: Math.round(videoBitrateBps / 3 ** index), maxFramerate };
		return layerCount === 1 ? encoding : { ...encoding, rid: String(index), scaleResolutionDownBy: 2 ** index };
	});
	const transceiver = connection.addTransceiver(track, { ...init, sendEncodings });
	const codecs = page.RTCRtpReceiver.getCapabilities('video').codecs;
	const wanted = codecs.filter(
		(codec) =>
			codec.mimeType.toLowerCase() === `video/${options.codec}` &&
			(options.codec === 'vp8' || /packetization-mode=1.*profile-level-id=42e0/.test(codec.sdpFmtpLine ?? '')),
	);
	const rtx = codecs.filter((codec) => codec.mimeType.toLowerCase() === 'video/rtx');
	transceiver.setCodecPreferences([...wanted, ...rtx]);
	const { keyFrameIntervalMs } = options;
	if (keyFrameIntervalMs !== undefined) {
		setInterval(() => void requestKeyFrame(transceiver.sender), keyFrameIntervalMs);
	}
	const parameters = transceiver.sender.getParameters();
	// Size and rate must not fall while measuring: a slow encoder shows as skipped pictures instead.
	parameters.degradationPreference = 'maintain-resolution';
	await transceiver.sender.setParameters(parameters);
}

function requestKeyFrame(sender: PageSender): Promise<void> {
	const parameters = sender.getParameters();
	return sender.setParameters(parameters, { encodingOptions: parameters.encodings.map(() => ({ keyFrame: true })) });
}

function playTracks(connection: PagePeerConnection): void {
	const video = page.document.querySelector('video') as unknown as PageVideo;
	const stream = new page.MediaStream();
	connection.ontrack = ({ track }) => {
		stream.addTrack(track);
		video.srcObject = stream;
		// Interrupted by the next assignment of srcObject; autoplay starts it then.
		void video.play().catch(() => undefined);
	};
}

async function withCandidates(connection: PagePeerConnection): Promise<string> {
	if (connection.iceGatheringState !== 'complete') {
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, 3000);
			connection.addEventListener('icegatheringstatechange', () => {
				if (connection.iceGatheringState === 'complete') {
					clearTimeout(timer);
					resolve();
				}
			});
		});
	}
	return connection.localDescription.sdp;
}

/** Shows the canvas source in this page. */
export function showCanvasHere(source: CanvasSourceOptions): void {
	const video = page.document.querySelector('video') as unknown as PageVideo;
	video.srcObject = createCanvasSource(source);
}
