/** The queue of pictures: one request at a time, the newest wish first, and bounds. */
import { describe, expect, it } from 'vitest';
import { MAX_KEPT, PictureQueue, type PictureFile } from './picture-queue.ts';

const FILE: PictureFile = { widthPixels: 1600, heightPixels: 900 };

/** What waits for a promise runs. */
async function flush(): Promise<void> {
	for (let turn = 0; turn < 10; turn++) {
		await Promise.resolve();
	}
}

function open() {
	const asked: Array<{ url: string; finish: () => void; fail: () => void }> = [];
	let loadedCount = 0;
	const queue = new PictureQueue(
		(url) =>
			new Promise<PictureFile>((resolve, reject) => {
				asked.push({ url, finish: () => resolve(FILE), fail: () => reject(new Error('no picture')) });
			}),
		() => loadedCount++,
	);
	const urls = (): string[] => asked.map(({ url }) => url);
	const settle = async (index: number, how: 'finish' | 'fail' = 'finish'): Promise<void> => {
		asked[index]![how]();
		await flush();
	};
	return { queue, urls, settle, loadedCount: () => loadedCount };
}

describe('PictureQueue', () => {
	it('loads what is wanted and then what is near, one at a time', async () => {
		const { queue, urls, settle, loadedCount } = open();
		queue.want(['b', 'c', 'a']);
		expect([urls(), queue.picture('b')]).toEqual([['b'], undefined]);
		await settle(0);
		expect([urls(), queue.picture('b'), loadedCount()]).toEqual([['b', 'c'], FILE, 1]);
		await settle(1);
		await settle(2);
		queue.want(['b', 'c', 'a']);
		expect(urls()).toEqual(['b', 'c', 'a']);
	});

	it('continues with the newest wish, whatever was wanted between', async () => {
		const { queue, urls, settle } = open();
		for (let index = 0; index < 50; index++) {
			queue.want([`${index}`, `${index + 1}`]);
		}
		await settle(0);
		expect(urls()).toEqual(['0', '49']);
		queue.want([]);
		await settle(1);
		expect(urls()).toEqual(['0', '49']);
	});

	it('leaves out what cannot be loaded', async () => {
		const { queue, urls, settle } = open();
		queue.want(['a', 'b']);
		await settle(0, 'fail');
		await settle(1);
		queue.want(['a', 'b']);
		expect([urls(), queue.picture('a'), queue.picture('b')]).toEqual([['a', 'b'], undefined, FILE]);
	});

	it('keeps so many, the ones that were wanted last', async () => {
		const { queue, settle } = open();
		for (let index = 0; index <= MAX_KEPT; index++) {
			queue.want([`${index}`]);
			await settle(index);
			queue.want(['0']);
		}
		expect([queue.picture('0'), queue.picture('1'), queue.picture('2')]).toEqual([FILE, undefined, FILE]);
	});
});
