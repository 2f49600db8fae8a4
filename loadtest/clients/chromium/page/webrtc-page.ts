/**
 * Runs in the page: plain WHIP and WHEP clients and the two ends of a direct connection. No tricks, so that it
 * compares.
 */
import { createCanvasSource } from './canvas-source.ts';
import type { CanvasSourceOptions } from './canvas-source.ts';
import type { PagePeerConnection, PageStream, PageTrack, PageVideo, PageWindow } from './dom-types.ts';

/** How a page sends. */
export type SendOptions = { codec: 'h264' | 'vp8'; videoBitrateBps: number; frameRate: number };

const page = globalThis as unknown as PageWindow;
const connections: PagePeerConnection[] = [];
let sessionUrl: string | undefined;
let sessionKey: string | undefined;

/** Makes a connection that sends the stream; resolves with its offer, all candidates in it. */
export async function createSendOffer(stream: PageStream, options: SendOptions): Promise<string> {
	const connection = new page.RTCPeerConnection();
	connections.push(connection);
	for (const track of [...stream.getAudioTracks(), ...stream.getVideoTracks()]) {
		await addSender(connection, track, stream, options);
	}
	await connection.setLocalDescription(await connection.createOffer());
	return withCandidates(connection);
}

/** Gives the newest connection its answer. */
export async function acceptAnswer(sdp: string): Promise<void> {
	await connections.at(-1)!.setRemoteDescription({ type: 'answer', sdp });
}

/** Makes a connection that receives an offer into the video element; resolves with the answer, all candidates in it. */
export async function answerOffer(sdp: string): Promise<string> {
	const connection = new page.RTCPeerConnection();
	connections.push(connection);
	playTracks(connection);
	await connection.setRemoteDescription({ type: 'offer', sdp });
	await connection.setLocalDescription(await connection.createAnswer());
	return withCandidates(connection);
}

/** Publishes the stream by WHIP (RFC 9725). Throws with the status when it is refused. */
export async function publishByWhip(stream: PageStream, options: SendOptions, url: string, key: string): Promise<void> {
	const offer = await createSendOffer(stream, options);
	const response = await fetch(url, {
		method: 'POST',
		headers: { 'Content-Type': 'application/sdp', Authorization: `Bearer ${key}` },
		body: offer,
	});
	if (response.status !== 201) {
		throw new Error(`WHIP was answered with ${response.status}: ${(await response.text()).slice(0, 200)}`);
	}
	sessionUrl = new URL(response.headers.get('location') ?? '', url).href;
	sessionKey = key;
	await acceptAnswer(await response.text());
}

/** Plays a channel by WHEP. Throws with the status when it is refused. */
export async function playByWhep(url: string, jitterBufferTargetMs: number | null): Promise<void> {
	const connection = new page.RTCPeerConnection();
	connections.push(connection);
	playTracks(connection);
	for (const kind of ['audio', 'video']) {
		const transceiver = connection.addTransceiver(kind, { direction: 'recvonly' });
		transceiver.receiver.jitterBufferTarget = jitterBufferTargetMs;
	}
	await connection.setLocalDescription(await connection.createOffer());
	const offer = await withCandidates(connection);
	const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer });
	if (response.status !== 201) {
		throw new Error(`WHEP was answered with ${response.status}: ${(await response.text()).slice(0, 200)}`);
	}
	sessionUrl = new URL(response.headers.get('location') ?? '', url).href;
	await acceptAnswer(await response.text());
}

/** Says goodbye: DELETE of the WHIP or WHEP session, then closes. */
export async function endSession(): Promise<void> {
	if (sessionUrl !== undefined) {
		const headers: Record<string, string> = sessionKey === undefined ? {} : { Authorization: `Bearer ${sessionKey}` };
		// The server may be gone already; the connection is closed in any case.
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

async function addSender(
	connection: PagePeerConnection,
	track: PageTrack,
	stream: PageStream,
	options: SendOptions,
): Promise<void> {
	const isVideo = track.kind === 'video';
	const encodings = isVideo ? [{ maxBitrate: options.videoBitrateBps, maxFramerate: options.frameRate }] : undefined;
	const transceiver = connection.addTransceiver(track, {
		direction: 'sendonly',
		streams: [stream],
		...(encodings === undefined ? {} : { sendEncodings: encodings }),
	});
	if (!isVideo) {
		return;
	}
	const codecs = page.RTCRtpReceiver.getCapabilities('video').codecs;
	const wanted = codecs.filter(
		(codec) =>
			codec.mimeType.toLowerCase() === `video/${options.codec}` &&
			(options.codec === 'vp8' || /packetization-mode=1.*profile-level-id=42e0/.test(codec.sdpFmtpLine ?? '')),
	);
	const rtx = codecs.filter((codec) => codec.mimeType.toLowerCase() === 'video/rtx');
	transceiver.setCodecPreferences([...wanted, ...rtx]);
	const parameters = transceiver.sender.getParameters();
	// Neither size nor rate may fall while measuring; an encoder that is too slow shows as skipped pictures instead.
	parameters.degradationPreference = 'maintain-resolution';
	await transceiver.sender.setParameters(parameters);
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

/** Draws the canvas source and offers to send it. */
export function sendCanvasDirectly(source: CanvasSourceOptions, options: SendOptions): Promise<string> {
	return createSendOffer(createCanvasSource(source), options);
}

/** Draws the canvas source and publishes it by WHIP. */
export function sendCanvasByWhip(
	source: CanvasSourceOptions,
	options: SendOptions,
	url: string,
	key: string,
): Promise<void> {
	return publishByWhip(createCanvasSource(source), options, url, key);
}

/** Draws the canvas source and shows it in this very page. */
export function showCanvasHere(source: CanvasSourceOptions): void {
	const video = page.document.querySelector('video') as unknown as PageVideo;
	video.srcObject = createCanvasSource(source);
}

/** Makes the sender's next picture a key frame, without a request from the other side. */
export async function sendKeyFrame(): Promise<void> {
	const sender = connections.at(-1)?.getTransceivers().at(-1)?.sender;
	if (sender === undefined) {
		return;
	}
	// Chromium takes the request as a second argument of setParameters().
	await sender.setParameters(sender.getParameters(), { encodingOptions: [{ keyFrame: true }] });
}
