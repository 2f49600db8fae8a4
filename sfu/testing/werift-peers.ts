/** A WHEP viewer and a WHIP publisher of another WebRTC implementation (werift), for tests over loopback. */
import {
	MediaStreamTrack,
	RTCPeerConnection,
	RTCRtpCodecParameters,
	RtpHeader,
	RtpPacket,
	type RTCRtpTransceiver,
} from 'werift';
import { picturePayloads } from './numbered-pictures.ts';
import type { PayloadTypes } from '../rtp/media-codecs.ts';

/** One packet as a viewer's decoder gets it. */
type ReceivedPacket = {
	payloadType: number;
	sequenceNumber: number;
	timestampTicks: number;
	payload: Buffer;
	/** Ids of the header extensions in it. */
	extensionIds: number[];
};

function createConnection(payloadTypes: PayloadTypes): RTCPeerConnection {
	return new RTCPeerConnection({
		codecs: {
			video: [
				new RTCRtpCodecParameters({
					mimeType: 'video/H264',
					clockRate: 90_000,
					payloadType: payloadTypes.h264,
					parameters: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
					rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
				}),
			],
			audio: [
				new RTCRtpCodecParameters({
					mimeType: 'audio/opus',
					clockRate: 48_000,
					channels: 2,
					payloadType: payloadTypes.opus,
				}),
			],
		},
		iceServers: [],
		iceUseIpv6: false,
		iceAdditionalHostAddresses: ['127.0.0.1'],
	});
}

/** Closes the sockets and sends nothing more, not even a close_notify. */
async function closeSockets(connection: RTCPeerConnection): Promise<void> {
	await Promise.all(connection.iceTransports.map((transport) => transport.connection.close()));
}

/** Receives picture and sound. */
export class WeriftViewer implements AsyncDisposable {
	readonly video: ReceivedPacket[] = [];
	readonly audio: ReceivedPacket[] = [];
	readonly #connection: RTCPeerConnection;

	constructor(payloadTypes: PayloadTypes) {
		this.#connection = createConnection(payloadTypes);
		for (const kind of ['video', 'audio'] as const) {
			const transceiver = this.#connection.addTransceiver(kind, { direction: 'recvonly' });
			transceiver.onTrack.subscribe((track) => this.#receive(kind, track));
		}
	}

	/** The offer, without candidates: the server's are all in its answer. */
	async createOffer(): Promise<string> {
		const offer = await this.#connection.createOffer();
		await this.#connection.setLocalDescription(offer);
		return this.#connection.localDescription!.sdp;
	}

	/** Applies the answer; connecting begins. */
	async accept(answer: string): Promise<void> {
		await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer });
	}

	get connectionState(): string {
		return this.#connection.connectionState;
	}

	/** Disappears at once, like a killed browser. */
	vanish(): Promise<void> {
		return closeSockets(this.#connection);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#connection.close();
	}

	#receive(kind: 'audio' | 'video', track: MediaStreamTrack): void {
		track.onReceiveRtp.subscribe(({ header, payload }) =>
			this[kind].push({
				payloadType: header.payloadType,
				sequenceNumber: header.sequenceNumber,
				timestampTicks: header.timestamp,
				payload,
				extensionIds: header.extensions.map(({ id }) => id),
			}),
		);
	}
}

/** Sends numbered pictures, 30 a second, and a sound with each. */
export class WeriftPublisher implements AsyncDisposable {
	readonly #connection: RTCPeerConnection;
	readonly #video = new MediaStreamTrack({ kind: 'video' });
	readonly #audio = new MediaStreamTrack({ kind: 'audio' });
	readonly #payloadTypes: PayloadTypes;
	readonly #transceivers: RTCRtpTransceiver[];
	#sequence = 65_500;
	#next = 0;

	constructor(payloadTypes: PayloadTypes) {
		this.#payloadTypes = payloadTypes;
		this.#connection = createConnection(payloadTypes);
		this.#transceivers = [this.#audio, this.#video].map((track) =>
			this.#connection.addTransceiver(track, { direction: 'sendonly' }),
		);
	}

	/** The offer with this DTLS role: FFmpeg offers passive, browsers actpass. */
	async createOffer(setup: 'actpass' | 'active' | 'passive'): Promise<string> {
		const offer = await this.#connection.createOffer();
		await this.#connection.setLocalDescription(offer);
		return this.#connection.localDescription!.sdp.replaceAll(/a=setup:\w+/g, `a=setup:${setup}`);
	}

	/** Applies the answer; connecting begins. */
	async accept(answer: string): Promise<void> {
		await this.#connection.setRemoteDescription({ type: 'answer', sdp: answer });
	}

	get connectionState(): string {
		return this.#connection.connectionState;
	}

	/** Pictures sent so far. */
	get sentCount(): number {
		return this.#next;
	}

	/** Sends the next picture, a key frame every `gopPictures`, and a sound. */
	send(gopPictures: number): void {
		const number = this.#next++;
		const payloads = picturePayloads(number, number % gopPictures === 0);
		payloads.forEach((payload, index) => {
			this.#video.writeRtp(
				this.#packet(this.#payloadTypes.h264, this.#sequence++, number * 3000, index === payloads.length - 1, payload),
			);
		});
		this.#audio.writeRtp(
			this.#packet(this.#payloadTypes.opus, number, number * 1600, false, Buffer.from([0xfc, number % 256])),
		);
	}

	/** Disappears at once, like a killed browser. */
	vanish(): Promise<void> {
		return closeSockets(this.#connection);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const transceiver of this.#transceivers) {
			transceiver.sender.stop();
		}
		await this.#connection.close();
	}

	#packet(payloadType: number, sequence: number, timestamp: number, marker: boolean, payload: Buffer): RtpPacket {
		return new RtpPacket(new RtpHeader({ payloadType, sequenceNumber: sequence % 65_536, timestamp, marker }), payload);
	}
}
