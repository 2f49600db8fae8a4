/** Tests of the reading of frames and close codes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SIGNALING_CLOSE_CODES } from '../../../core/protocol/signaling/signaling-constants.ts';
import { describeClose, FrameReader, reconnectsAfter } from './signaling-socket.ts';

describe('FrameReader', () => {
	it('parses the same bytes once, for all sockets', () => {
		const reader = new FrameReader();
		const frame = (): Buffer =>
			Buffer.from(JSON.stringify({ type: 'presence', viewerCount: 1, padding: 'x'.repeat(200) }));
		expect(reader.read(frame())).toBe(reader.read(frame()));
		expect(reader.read(Buffer.from('{"type":"presence","viewerCount":2}'))).toEqual({
			type: 'presence',
			viewerCount: 2,
		});
	});

	it('gives undefined for bytes that are no message, and never throws', () => {
		const reader = new FrameReader();
		for (const text of ['', 'null', '[]', '{}', '{"type":1}', '"type"', '{']) {
			expect(reader.read(Buffer.from(text))).toBeUndefined();
		}
		fc.assert(
			fc.property(fc.uint8Array(), (bytes) => {
				reader.read(Buffer.from(bytes));
			}),
		);
	});
});

describe('close codes', () => {
	it('follow the table', () => {
		for (const { code, reconnects } of Object.values(SIGNALING_CLOSE_CODES)) {
			expect(reconnectsAfter(code)).toBe(reconnects);
		}
		expect([reconnectsAfter(1006), reconnectsAfter(1000), reconnectsAfter(1008)]).toEqual([true, false, false]);
		expect([describeClose(4003), describeClose(1006)]).toEqual(['4003 (busy)', '1006']);
	});
});
