/** Tests of which FFmpeg messages are complaints, and which packet times are faults. */
import { describe, expect, it } from 'vitest';
import { complaintsOf, packetFaults } from './ffmpeg-player.ts';

describe('complaintsOf', () => {
	it('leaves out that the init segment was read again, also when two threads print it at once', () => {
		const line = '[mov,mp4,m4a @ 0x55d8d13e7200] Found duplicated MOOV Atom. Skipped it\n';
		const mixed =
			'[mov,mp4,m4a @ 0x55d8d13e7200] [mov,mp4,m4a @ 0x5581a07a5f00] Found duplicated MOOV Atom. Skipped it\n';
		expect(complaintsOf(`${line}${mixed}Found duplicated MOOV Atom. Skipped it\n`)).toEqual([]);
	});

	it('keeps everything else', () => {
		const line = '[null @ 0x5613a6c19640] Application provided invalid, non monotonically increasing dts to muxer';
		expect(complaintsOf(`${line}\n`)).toEqual([line]);
	});
});

describe('packetFaults', () => {
	it('accepts times that rise in each stream', () => {
		expect(packetFaults(['0,10,10', '1,3,3', '0,30,11', '1,4,4', '0,20,12'])).toEqual([]);
	});

	it.each([[['0,10,10', '0,11,10']], [['0,10,N/A']], [['0,N/A,10']], [['']]])('finds the fault in %j', (rows) => {
		expect(packetFaults(rows)).toHaveLength(1);
	});
});
