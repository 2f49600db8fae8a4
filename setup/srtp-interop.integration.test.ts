/**
 * Tests the worker's SRTP against an independent implementation (werift), in both directions, over loopback. The worker
 * may be built on our shim over libsrtp 2, and a mistake there may encrypt nothing, accept anything, or fail after
 * 65536 packets.
 */
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import * as mediasoup from 'mediasoup';
import type { types } from 'mediasoup';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RtpHeader, RtpPacket, SrtcpSession, SrtpSession } from 'werift';

type Suite = {
	cryptoSuite: types.SrtpCryptoSuite;
	/** The DTLS-SRTP profile number, which werift uses. */
	profile: 1 | 7;
	masterKeyBytes: number;
	masterSaltBytes: number;
	/** Difference in length between an SRTP packet and its RTP packet. */
	tagBytes: number;
};

const SUITES: readonly Suite[] = [
	{ cryptoSuite: 'AEAD_AES_128_GCM', profile: 7, masterKeyBytes: 16, masterSaltBytes: 12, tagBytes: 16 },
	{ cryptoSuite: 'AES_CM_128_HMAC_SHA1_80', profile: 1, masterKeyBytes: 16, masterSaltBytes: 14, tagBytes: 10 },
];

const AUDIO_PAYLOAD_TYPE = 100;
const VIDEO_PAYLOAD_TYPE = 101;
const PUBLISHER_SSRC = 0x11223344;
const VIEWER_SSRC = 0x55667788;

/** Limit for an expected packet. The worker sends reports for video once a second. */
const PACKET_DEADLINE_MS = 5_000;

/** Largest step of sequence numbers: the worker drops a packet after a step of 3000 or more. */
const SEQUENCE_STEP = 2_500;

/** One socket on loopback with the SRTP contexts of one peer of the worker. */
class Peer {
	readonly #socket: dgram.Socket;
	readonly #suite: Suite;
	readonly #masterKey: Buffer;
	readonly #received: Buffer[] = [];
	#wake: (() => void) | undefined;
	#srtp: SrtpSession | undefined;
	#srtcp: SrtcpSession | undefined;

	private constructor(socket: dgram.Socket, suite: Suite) {
		this.#socket = socket;
		this.#suite = suite;
		this.#masterKey = randomBytes(suite.masterKeyBytes + suite.masterSaltBytes);
		socket.on('message', (packet) => {
			this.#received.push(packet);
			this.#wake?.();
		});
	}

	static async open(suite: Suite): Promise<Peer> {
		const socket = dgram.createSocket('udp4');
		socket.bind(0, '127.0.0.1');
		await once(socket, 'listening');
		return new Peer(socket, suite);
	}

	get port(): number {
		return this.#socket.address().port;
	}

	/** The parameters with which the worker decrypts our packets. */
	get srtpParameters(): types.SrtpParameters {
		return { cryptoSuite: this.#suite.cryptoSuite, keyBase64: this.#masterKey.toString('base64') };
	}

	/** Applies the worker's key. */
	agree(remote: types.SrtpParameters): void {
		const { masterKeyBytes, profile } = this.#suite;
		const remoteKey = Buffer.from(remote.keyBase64, 'base64');
		const config = {
			profile,
			keys: {
				localMasterKey: this.#masterKey.subarray(0, masterKeyBytes),
				localMasterSalt: this.#masterKey.subarray(masterKeyBytes),
				remoteMasterKey: remoteKey.subarray(0, masterKeyBytes),
				remoteMasterSalt: remoteKey.subarray(masterKeyBytes),
			},
		};
		this.#srtp = new SrtpSession(config);
		this.#srtcp = new SrtcpSession(config);
	}

	protectRtp(sequenceNumber: number, payload: Buffer, payloadType = AUDIO_PAYLOAD_TYPE): Buffer {
		const header = new RtpHeader({
			payloadType,
			sequenceNumber,
			timestamp: sequenceNumber * 960,
			ssrc: PUBLISHER_SSRC,
		});
		return this.#srtp!.encrypt(payload, header);
	}

	protectRtcp(packet: Buffer): Buffer {
		return this.#srtcp!.encrypt(packet);
	}

	send(packet: Buffer, port: number): void {
		this.#socket.send(packet, port, '127.0.0.1');
	}

	/** The next RTP packet from the worker, decrypted; skips RTCP. */
	async receiveRtp(): Promise<RtpPacket> {
		const packet = await this.#receive((received) => !isRtcp(received));
		const plain = this.#srtp!.decrypt(packet);
		expect(packet.length).toBe(plain.length + this.#suite.tagBytes);
		return RtpPacket.deSerialize(plain);
	}

	/** The next wanted RTCP packet from the worker, decrypted; skips RTP. */
	async receiveRtcp(isWanted: (plain: Buffer) => boolean): Promise<Buffer> {
		const deadlineMs = performance.now() + PACKET_DEADLINE_MS;
		for (;;) {
			const plain = this.#srtcp!.decrypt(await this.#receive(isRtcp));
			if (isWanted(plain)) {
				return plain;
			}
			// Reports arrive all the time, so that the limit of a single packet never ends this loop.
			if (performance.now() > deadlineMs) {
				throw new Error(`None of the RTCP packets within ${PACKET_DEADLINE_MS} ms was the expected one.`);
			}
		}
	}

	close(): void {
		this.#socket.close();
	}

	async #receive(isWanted: (packet: Buffer) => boolean): Promise<Buffer> {
		const deadlineMs = performance.now() + PACKET_DEADLINE_MS;
		for (;;) {
			const index = this.#received.findIndex(isWanted);
			if (index !== -1) {
				const [packet] = this.#received.splice(index, 1);
				return packet!;
			}
			const remainingMs = deadlineMs - performance.now();
			if (remainingMs <= 0) {
				throw new Error(`No packet came within ${PACKET_DEADLINE_MS} ms.`);
			}
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, remainingMs);
				this.#wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
	}
}

// RFC 5761 §4: with RTP and RTCP on one port, the second byte distinguishes them.
function isRtcp(packet: Buffer): boolean {
	return packet[1]! >= 192 && packet[1]! <= 223;
}

// RFC 4585 §6.3.1: payload-specific feedback (206), format 1, sender, media source.
function pictureLossIndication(mediaSsrc: number): Buffer {
	const packet = Buffer.from([0x81, 206, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
	packet.writeUInt32BE(VIEWER_SSRC, 4);
	packet.writeUInt32BE(mediaSsrc, 8);
	return packet;
}

function isPictureLossIndication(packet: Buffer): boolean {
	return (packet[0]! & 0x1f) === 1 && packet[1] === 206;
}

function flipBit(packet: Buffer, byteIndex: number): Buffer {
	const changed = Buffer.from(packet);
	changed[byteIndex] = changed[byteIndex]! ^ 0x01;
	return changed;
}

let worker: types.Worker;
const workerLog: string[] = [];

beforeAll(async () => {
	mediasoup.setLogEventListeners({
		ondebug: (_namespace, log) => workerLog.push(log),
		onwarn: (_namespace, log) => workerLog.push(log),
	});
	worker = await mediasoup.createWorker({ logLevel: 'debug', logTags: ['srtp'] });
});
afterAll(() => {
	worker.close();
});

/** How often the worker has logged this reason for refusing a packet. */
async function countLogged(text: string): Promise<number> {
	// Log lines use the same pipe as answers, so that earlier log lines have arrived with this answer.
	await worker.getResourceUsage();
	return workerLog.filter((line) => line.includes(text)).length;
}

describe.each(SUITES)('SRTP with $cryptoSuite', (suite) => {
	let router: types.Router;
	let publisher: Peer;
	let viewer: Peer;
	let publisherTransport: types.PlainTransport;
	let viewerTransport: types.PlainTransport;
	let consumer: types.Consumer;

	async function createTransport(comedia: boolean): Promise<types.PlainTransport> {
		return await router.createPlainTransport({
			listenInfo: { protocol: 'udp', ip: '127.0.0.1' },
			rtcpMux: true,
			comedia,
			enableSrtp: true,
			srtpCryptoSuite: suite.cryptoSuite,
		});
	}

	async function connect(kind: 'audio' | 'video'): Promise<void> {
		const codec = router.rtpCapabilities.codecs!.find((candidate) => candidate.kind === kind)!;
		const producer = await publisherTransport.produce({
			kind,
			rtpParameters: {
				codecs: [
					{
						mimeType: codec.mimeType,
						payloadType: codec.preferredPayloadType,
						clockRate: codec.clockRate,
						...(codec.channels === undefined ? {} : { channels: codec.channels }),
						rtcpFeedback: codec.rtcpFeedback!.filter(({ type, parameter }) => type === 'nack' && parameter === 'pli'),
					},
				],
				encodings: [{ ssrc: PUBLISHER_SSRC }],
				rtcp: { cname: 'interop' },
			},
		});
		consumer = await viewerTransport.consume({ producerId: producer.id, rtpCapabilities: router.rtpCapabilities });
	}

	const publish = (packet: Buffer): void => publisher.send(packet, publisherTransport.tuple.localPort);

	beforeEach(async () => {
		await worker.getResourceUsage();
		workerLog.length = 0;
		router = await worker.createRouter({
			mediaCodecs: [
				{
					kind: 'audio',
					mimeType: 'audio/opus',
					clockRate: 48_000,
					channels: 2,
					preferredPayloadType: AUDIO_PAYLOAD_TYPE,
				},
				{ kind: 'video', mimeType: 'video/VP8', clockRate: 90_000, preferredPayloadType: VIDEO_PAYLOAD_TYPE },
			],
		});
		publisher = await Peer.open(suite);
		viewer = await Peer.open(suite);
		publisherTransport = await createTransport(true);
		viewerTransport = await createTransport(false);
		publisher.agree(publisherTransport.srtpParameters!);
		viewer.agree(viewerTransport.srtpParameters!);
		await publisherTransport.connect({ srtpParameters: publisher.srtpParameters });
		await viewerTransport.connect({ ip: '127.0.0.1', port: viewer.port, srtpParameters: viewer.srtpParameters });
	});

	afterEach(() => {
		router.close();
		publisher.close();
		viewer.close();
	});

	it('forwards payloads of every critical size in both directions', async () => {
		await connect('audio');
		// Around the cipher's block size, and around the size of an Ethernet frame.
		const sizes = [1, 15, 16, 17, 31, 32, 33, 100, 1200, 1400];
		for (const [index, size] of sizes.entries()) {
			const payload = randomBytes(size);
			const packet = publisher.protectRtp(1000 + index, payload);
			expect(packet.includes(payload.subarray(0, 16)), 'the payload must not be sent in the clear').toBe(
				size < 16 && packet.includes(payload),
			);
			publish(packet);
			expect((await viewer.receiveRtp()).payload.equals(payload), `${size} bytes`).toBe(true);
		}
		expect(await countLogged('failed')).toBe(0);
	});

	it('forwards a replayed packet once', async () => {
		await connect('audio');
		const packets = [1, 2, 3].map((number) => publisher.protectRtp(number, Buffer.from(`payload ${number}`)));
		const countAcceptedBytes = async (): Promise<number> => (await publisherTransport.getStats())[0]!.rtpBytesReceived;
		publish(packets[0]!);
		expect((await viewer.receiveRtp()).payload.toString()).toBe('payload 1');
		const acceptedOnceBytes = await countAcceptedBytes();
		publish(packets[1]!);
		publish(packets[0]!);
		publish(packets[1]!);
		publish(packets[2]!);
		for (const number of [2, 3]) {
			expect((await viewer.receiveRtp()).payload.toString()).toBe(`payload ${number}`);
		}
		expect(await countLogged('srtp_unprotect() failed: replay check failed (bad index)')).toBe(2);

		// SRTP has refused them, not a later stage: the transport has counted three packets of RTP.
		expect(await countAcceptedBytes()).toBe(3 * acceptedOnceBytes);
	});

	it('refuses a packet from before the replay window, also when it is new', async () => {
		await connect('audio');
		const late = publisher.protectRtp(1000, Buffer.from('late'));
		publish(publisher.protectRtp(999, Buffer.from('first')));
		publish(publisher.protectRtp(999 + SEQUENCE_STEP, Buffer.from('second')));
		publish(late);
		publish(publisher.protectRtp(1000 + SEQUENCE_STEP, Buffer.from('third')));
		for (const text of ['first', 'second', 'third']) {
			expect((await viewer.receiveRtp()).payload.toString()).toBe(text);
		}
		expect(await countLogged('srtp_unprotect() failed: replay check failed (index too old)')).toBe(1);
	});

	it('refuses a packet with any bit changed, cut short, or protected with another key', async () => {
		await connect('audio');
		publish(publisher.protectRtp(1, Buffer.from('first')));
		expect((await viewer.receiveRtp()).payload.toString()).toBe('first');

		const good = publisher.protectRtp(2, Buffer.from('second'));
		const forger = await Peer.open(suite);
		forger.agree(publisherTransport.srtpParameters!);
		const forgeries = [
			flipBit(good, 1), // marker and payload type
			flipBit(good, 3), // sequence number
			flipBit(good, 7), // timestamp
			flipBit(good, 12), // first byte of the payload
			flipBit(good, good.length - suite.tagBytes), // first byte of the tag
			flipBit(good, good.length - 1), // last byte of the tag
			good.subarray(0, good.length - 1),
			good.subarray(0, good.length - suite.tagBytes),
			good.subarray(0, 12),
			forger.protectRtp(2, Buffer.from('forged')),
		];
		forger.close();
		forgeries.forEach(publish);
		publish(good);
		expect((await viewer.receiveRtp()).payload.toString()).toBe('second');
		expect(await countLogged('srtp_unprotect() failed')).toBe(forgeries.length);
		expect(await countLogged('authentication failure')).toBeGreaterThanOrEqual(forgeries.length - 2);
	});

	it('continues when the sequence number of the input wraps, also out of order', async () => {
		await connect('audio');
		const numbers = [65_532, 65_533, 65_534, 0, 65_535, 1, 2, 3, 4];
		for (const number of numbers) {
			publish(publisher.protectRtp(number, Buffer.from(`payload ${number}`)));
		}
		for (const number of numbers) {
			expect((await viewer.receiveRtp()).payload.toString()).toBe(`payload ${number}`);
		}
		expect(await countLogged('failed')).toBe(0);
	});

	it('continues when the sequence number of the output wraps', async () => {
		await connect('audio');
		// The input must not wrap together with the output: werift increments the roll-over counter only near the wrap.
		let inputNumber = 1;
		const exchange = async (): Promise<number> => {
			const payload = Buffer.from(`payload ${inputNumber}`);
			publish(publisher.protectRtp(inputNumber, payload));
			const packet = await viewer.receiveRtp();
			expect(packet.payload.equals(payload)).toBe(true);
			return packet.header.sequenceNumber;
		};
		// The worker's numbers start anywhere. It keeps the distances, so that steps of the input reach the wrap.
		let outputNumber = await exchange();
		while (outputNumber < 65_530) {
			inputNumber += Math.min(SEQUENCE_STEP, 65_530 - outputNumber);
			outputNumber = await exchange();
		}
		const outputNumbers = [];
		for (let count = 0; count < 12; count++) {
			inputNumber++;
			outputNumbers.push(await exchange());
		}
		expect(outputNumbers).toEqual(outputNumbers.map((_number, index) => (outputNumber + 1 + index) % 65_536));
		expect(outputNumbers).toContain(0);
	});

	it('forwards RTCP in both directions, and refuses replayed or changed packets', async () => {
		await connect('video');
		// VP8: start of a partition, then a frame header whose lowest bit is 0 for a key frame.
		const vp8Frame = (isKeyFrame: boolean): Buffer => Buffer.from([0x10, isKeyFrame ? 0 : 1, 1, 2, 3, 4]);
		publish(publisher.protectRtp(1, vp8Frame(false), VIDEO_PAYLOAD_TYPE));
		const request = await publisher.receiveRtcp(isPictureLossIndication);
		expect(request.readUInt32BE(8)).toBe(PUBLISHER_SSRC);

		publish(publisher.protectRtp(2, vp8Frame(true), VIDEO_PAYLOAD_TYPE));
		await viewer.receiveRtp();
		const report = await viewer.receiveRtcp((packet) => packet[1] === 200);
		const consumerSsrc = consumer.rtpParameters.encodings![0]!.ssrc!;
		expect(report.readUInt32BE(4)).toBe(consumerSsrc);

		const indications: types.ConsumerTraceEventData[] = [];
		let indicated: (() => void) | undefined;
		await consumer.enableTraceEvent(['pli']);
		consumer.on('trace', (trace) => {
			indications.push(trace);
			indicated?.();
		});
		const viewerSends = (packet: Buffer): void => viewer.send(packet, viewerTransport.tuple.localPort);
		const first = viewer.protectRtcp(pictureLossIndication(consumerSsrc));
		const second = viewer.protectRtcp(pictureLossIndication(consumerSsrc));
		viewerSends(first);
		viewerSends(first);
		viewerSends(flipBit(second, 4));
		viewerSends(flipBit(second, 9));
		viewerSends(flipBit(second, second.length - 1));
		viewerSends(second.subarray(0, second.length - 1));
		viewerSends(second.subarray(0, 8));
		const twice = new Promise<void>((resolve) => {
			indicated = () => indications.length === 2 && resolve();
		});
		viewerSends(second);
		await twice;
		expect(indications).toHaveLength(2);
		expect(await countLogged('srtp_unprotect_rtcp() failed: replay check failed')).toBe(1);
		expect(await countLogged('srtp_unprotect_rtcp() failed')).toBe(6);
	});
});
