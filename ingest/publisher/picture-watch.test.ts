/** Tests of the reasons for a missing picture. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { PICTURE_PROBLEMS, type PictureProblem } from '../bitstream/h264-assembler.ts';
import { NO_PICTURE_MS, PictureWatch } from './picture-watch.ts';

describe('PictureWatch', () => {
	it('has a sentence and an advice for every reason', async () => {
		for (const problem of Object.keys(PICTURE_PROBLEMS) as PictureProblem[]) {
			const clock = new FakeClock();
			const watch = new PictureWatch({ clock });
			watch.leftOut(problem);
			await clock.advance(NO_PICTURE_MS);
			const sentence = expect.stringMatching(/^[A-Z].*\.$/) as string;
			const code = expect.stringMatching(/^video-/) as string;
			expect(watch.problems).toEqual([{ kind: 'video', code, message: sentence, advice: sentence }]);
		}
	});

	it('reports nothing for 3 s, nor while pictures are usable, nor without a picture left out', async () => {
		const clock = new FakeClock();
		const watch = new PictureWatch({ clock });
		await clock.advance(10_000);
		expect(watch.problems).toEqual([]);
		watch.usable();
		watch.leftOut('key-frame-missing');
		await clock.advance(NO_PICTURE_MS - 1);
		expect(watch.problems).toEqual([]);
		await clock.advance(1);
		expect(watch.problems).toMatchObject([{ code: 'video-key-frame-missing' }]);
		watch.usable();
		await clock.advance(10_000);
		expect(watch.problems).toEqual([]);
	});
});
