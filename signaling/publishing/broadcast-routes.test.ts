/** Tests of the encoder advice: codecs under all their names, extreme bitrates. */
import { describe, expect, it } from 'vitest';
import { adviseEncoder } from './broadcast-routes.ts';

describe('adviseEncoder', () => {
	it('accepts H.264 under its names, VP8 with a remark, nothing else', () => {
		for (const codec of [undefined, 'h264', 'H.264', 'avc1.640028', 'x264', 'VP8']) {
			expect(adviseEncoder(codec, 4e6).isCodecAccepted).toBe(true);
		}
		expect(adviseEncoder('vp8', undefined).advice).toHaveLength(2);
		for (const codec of ['hevc', 'av1', 'h265', '', '<b>']) {
			expect(adviseEncoder(codec, undefined).isCodecAccepted).toBe(false);
		}
	});

	it('warns about extreme bitrates', () => {
		expect(adviseEncoder('h264', 6000).advice.join()).toContain('bits per second');
		expect(adviseEncoder('h264', 50e6).advice.join()).toContain('cannot receive');
		expect(adviseEncoder('h264', 4e6).advice).toHaveLength(1);
	});
});
