/**
 * Tests that the worker sends the first message of a DTLS handshake as soon as ICE has connected. A worker with an
 * OpenSSL with kernel TLS crashes here without our patch (see build-worker/source-patches.mjs).
 */
import { createHmac, randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { crc32 } from 'node:zlib';
import * as mediasoup from 'mediasoup';
import { describe, expect, it } from 'vitest';

/** On loopback both answers take a millisecond; the worker retransmits the second after 100 ms. */
const ANSWER_TIMEOUT_MS = 5_000;

// RFC 8489 §5 and §14.
const STUN_MAGIC_COOKIE = 0x2112a442;
const STUN_BINDING_REQUEST = 0x0001;
const STUN_BINDING_SUCCESS = 0x0101;
const STUN_HEADER_BYTES = 20;
const ATTRIBUTE_USERNAME = 0x0006;
const ATTRIBUTE_MESSAGE_INTEGRITY = 0x0008;
const ATTRIBUTE_PRIORITY = 0x0024;
const ATTRIBUTE_USE_CANDIDATE = 0x0025;
const ATTRIBUTE_ICE_CONTROLLING = 0x802a;
const ATTRIBUTE_FINGERPRINT = 0x8028;
const FINGERPRINT_XOR = 0x5354554e;

// RFC 9147 appendix A.1 and RFC 8446 §4.
const DTLS_HANDSHAKE_RECORD = 22;
const DTLS_RECORD_HEADER_BYTES = 13;
const DTLS_CLIENT_HELLO = 1;

/** @param {number} type @param {Buffer} value */
function formatAttribute(type, value) {
	const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
	padded.writeUInt16BE(type, 0);
	padded.writeUInt16BE(value.length, 2);
	value.copy(padded, 4);
	return padded;
}

/**
 * The check of an ICE controlling agent that nominates at once.
 *
 * @param {string} username
 * @param {string} password
 */
function formatBindingRequest(username, password) {
	const header = Buffer.alloc(STUN_HEADER_BYTES);
	header.writeUInt16BE(STUN_BINDING_REQUEST, 0);
	header.writeUInt32BE(STUN_MAGIC_COOKIE, 4);
	randomBytes(12).copy(header, 8);
	let message = Buffer.concat([
		header,
		formatAttribute(ATTRIBUTE_USERNAME, Buffer.from(username)),
		formatAttribute(ATTRIBUTE_PRIORITY, Buffer.from([0x6e, 0, 0, 0xff])),
		formatAttribute(ATTRIBUTE_ICE_CONTROLLING, randomBytes(8)),
		formatAttribute(ATTRIBUTE_USE_CANDIDATE, Buffer.alloc(0)),
	]);
	// §14.5 and §14.7: both are computed over the message before the attribute, with a length that includes it.
	message.writeUInt16BE(message.length - STUN_HEADER_BYTES + 24, 2);
	const integrity = createHmac('sha1', password).update(message).digest();
	message = Buffer.concat([message, formatAttribute(ATTRIBUTE_MESSAGE_INTEGRITY, integrity)]);
	message.writeUInt16BE(message.length - STUN_HEADER_BYTES + 8, 2);
	const fingerprint = Buffer.alloc(4);
	fingerprint.writeUInt32BE((crc32(message) ^ FINGERPRINT_XOR) >>> 0);
	return Buffer.concat([message, formatAttribute(ATTRIBUTE_FINGERPRINT, fingerprint)]);
}

describe('the mediasoup worker', () => {
	it('begins a DTLS handshake when ICE has connected', async () => {
		const worker = await mediasoup.createWorker();
		const died = once(worker, 'died').then(([error]) => {
			throw error;
		});
		// Used in the races below; later rejections are ignored.
		died.catch(() => {});
		const socket = dgram.createSocket('udp4');
		try {
			const router = await worker.createRouter({ mediaCodecs: [] });
			const transport = await router.createWebRtcTransport({
				listenInfos: [{ protocol: 'udp', ip: '127.0.0.1' }],
				iceConsentTimeout: 0,
			});
			socket.bind(0, '127.0.0.1');
			await once(socket, 'listening');

			const { usernameFragment, password } = transport.iceParameters;
			const answered = once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
			const request = formatBindingRequest(`${usernameFragment}:spillway`, password);
			socket.send(request, transport.iceCandidates[0]?.port, '127.0.0.1');
			const [answer] = await Promise.race([answered, died]);
			expect(answer.readUInt16BE(0)).toBe(STUN_BINDING_SUCCESS);

			const greeted = once(socket, 'message', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
			await transport.connect({
				// The remote side is the server, so that the worker sends the first message. No side verifies the fingerprint.
				dtlsParameters: {
					role: 'server',
					fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('AB').join(':') }],
				},
			});
			const [greeting] = await Promise.race([greeted, died]);
			expect(greeting[0]).toBe(DTLS_HANDSHAKE_RECORD);
			expect(greeting[DTLS_RECORD_HEADER_BYTES]).toBe(DTLS_CLIENT_HELLO);
			expect((await transport.getStats())[0]?.dtlsState).toBe('connecting');
		} finally {
			socket.close();
			worker.close();
		}
	});
});
