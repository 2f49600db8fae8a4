/** Tests of the RTMP handshake. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../errors/errors.ts';
import { Handshake, HANDSHAKE_PACKET_BYTES, HANDSHAKE_RANDOM_BYTES } from './handshake.ts';
import { clientHello, concat } from './testing/encoder-double.ts';

const random = new Uint8Array(HANDSHAKE_RANDOM_BYTES).fill(0x5a);
const c2 = new Uint8Array(HANDSHAKE_PACKET_BYTES);

describe('Handshake', () => {
	it('answers S0, S1 and S2 when C1 is complete, and returns the bytes after C2', () => {
		const handshake = new Handshake(random);
		const hello = clientHello();
		hello.set([1, 2, 3, 4], 1);
		expect(handshake.push(hello.subarray(0, 1000))).toEqual({
			reply: new Uint8Array(0),
			isComplete: false,
			rest: new Uint8Array(0),
		});
		const step = handshake.push(hello.subarray(1000));
		expect(step.isComplete).toBe(false);
		const s1 = concat(new Uint8Array(8), random);
		const s2 = concat(Uint8Array.of(1, 2, 3, 4, 0, 0, 0, 0), hello.subarray(9));
		expect(step.reply).toEqual(concat(Uint8Array.of(3), s1, s2));
		const last = handshake.push(concat(c2, Uint8Array.of(2, 0, 0)));
		expect(last).toEqual({ reply: new Uint8Array(0), isComplete: true, rest: Uint8Array.of(2, 0, 0) });
	});

	it('gives the same answer for pieces of any size, also when C2 arrives before the answer', () => {
		const all = concat(clientHello(), c2, Uint8Array.of(9, 8, 7));
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 1600 }), { maxLength: 20 }), (cuts) => {
				const handshake = new Handshake(random);
				const replies: Uint8Array[] = [];
				let rest: Uint8Array | undefined;
				let offset = 0;
				for (const cut of [...cuts, all.length]) {
					const piece = all.subarray(offset, offset + cut);
					offset += piece.length;
					if (rest !== undefined) {
						rest = concat(rest, piece);
						continue;
					}
					const step = handshake.push(piece);
					replies.push(step.reply);
					rest = step.isComplete ? step.rest : undefined;
				}
				expect(concat(...replies)).toHaveLength(1 + 2 * HANDSHAKE_PACKET_BYTES);
				expect(rest).toEqual(Uint8Array.of(9, 8, 7));
			}),
			{ numRuns: 50 },
		);
	});

	it.each([0, 2, 6, 31])('R-1 answers version 3 to version %i', (version) => {
		expect(new Handshake(random).push(clientHello(version)).reply[0]).toBe(3);
	});

	it.each([
		['HTTP', 'GET / HTTP/1.1', /first byte is 71/],
		['SSH', 'SSH-2.0-x', /first byte is 83/],
		['TLS', '\x16\x03\x01\x02\x00', /TLS/],
		['255', '\xff', /first byte is 255/],
	])('refuses %s at its first byte', (_name, text, message) => {
		const push = (): unknown => new Handshake(random).push(new Uint8Array(Buffer.from(text, 'latin1')));
		expect(push).toThrow(SpillwayError);
		expect(push).toThrow(message);
	});

	it('uses other random bytes each time', () => {
		const one = new Handshake().push(clientHello()).reply;
		const other = new Handshake().push(clientHello()).reply;
		expect(one.subarray(9, 1537)).not.toEqual(other.subarray(9, 1537));
	});

	it('rejects a wrong number of random bytes', () => {
		expect(() => new Handshake(new Uint8Array(8))).toThrow(TypeError);
	});
});
