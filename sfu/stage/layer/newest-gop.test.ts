/** Tests of which packets of the newest GOP are kept, and of the bounds. */
import { describe, expect, it } from 'vitest';
import { NewestGop, type KeptPacket } from './newest-gop.ts';

function packet(liveSequence: number, timestampTicks = 0, bytes = 10): KeptPacket {
	return { payload: new Uint8Array(bytes), hasMarker: false, timestampTicks, captureTimeMs: 0, liveSequence };
}

const sequences = (gop: NewestGop): number[] => gop.packets().map(({ liveSequence }) => liveSequence);

describe('NewestGop', () => {
	it('keeps nothing before the first key frame', () => {
		const gop = new NewestGop();
		gop.add(packet(1));
		expect(gop.isUsable).toBe(false);
		expect(gop.packets()).toEqual([]);
	});

	it('is not usable before the first packet of its key frame', () => {
		const gop = new NewestGop();
		gop.begin(0);
		expect(gop.isUsable).toBe(false);
		gop.add(packet(1));
		expect(gop.isUsable).toBe(true);
	});

	it('returns the packets in sequence order, late ones in place', () => {
		const gop = new NewestGop();
		gop.begin(0);
		for (const number of [3, 5, 4, 6]) {
			gop.add(packet(number));
		}
		expect(sequences(gop)).toEqual([3, 4, 5, 6]);
	});

	it('drops the GOP before, but not what overtook the first packet of the key frame', () => {
		const gop = new NewestGop();
		gop.begin(0);
		gop.add(packet(1, 0));
		gop.add(packet(2, 3000));
		gop.add(packet(4, 6000));
		gop.begin(6000);
		gop.add(packet(3, 6000));
		expect(sequences(gop)).toEqual([3, 4]);
	});

	it('gives a GOP up that has more than 4096 packets, until the next key frame', () => {
		const gop = new NewestGop();
		gop.begin(0);
		for (let number = 0; number < 4096; number++) {
			gop.add(packet(number));
		}
		expect(gop.isUsable).toBe(true);
		gop.add(packet(4096));
		expect(gop.isUsable).toBe(false);
		gop.add(packet(4097));
		expect(gop.packets()).toEqual([]);
		gop.begin(90_000);
		gop.add(packet(4098, 90_000));
		expect(sequences(gop)).toEqual([4098]);
	});

	it('gives a GOP up that has more than 4 MiB', () => {
		const gop = new NewestGop();
		gop.begin(0);
		const megabyte = 1024 * 1024;
		for (let number = 0; number < 4; number++) {
			gop.add(packet(number, 0, megabyte));
		}
		expect(gop.isUsable).toBe(true);
		gop.add(packet(4, 0, 1));
		expect(gop.isUsable).toBe(false);
	});

	it('is whole when no number is missing since the key frame, also when the GOP is too large to keep', () => {
		const gop = new NewestGop();
		gop.begin(0);
		for (const number of [10, 11, 13]) {
			gop.add(packet(number));
		}
		expect([12, 14].map((next) => gop.isWholeUpTo(next))).toEqual([false, false]);
		gop.add(packet(12));
		expect([13, 14, 15].map((next) => gop.isWholeUpTo(next))).toEqual([false, true, false]);
		gop.add(packet(14, 0, 5 * 1024 * 1024));
		expect([gop.isUsable, gop.isWholeUpTo(15)]).toEqual([false, true]);
	});
});
