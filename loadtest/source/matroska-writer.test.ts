/** Tests of the Matroska writer, by reading its elements back. */
import { describe, expect, it } from 'vitest';
import { MatroskaWriter } from './matroska-writer.ts';

/** Ids of the elements in order, with their content; masters are entered. */
function elements(bytes: Uint8Array): Array<[id: string, content: string | undefined]> {
	const masters = new Set(['18538067', '1549a966', '1654ae6b', 'ae', 'e0', 'e1', '1f43b675', '1a45dfa3']);
	const found: Array<[string, string | undefined]> = [];
	for (let offset = 0; offset < bytes.length;) {
		const idBytes = Math.clz32(bytes[offset]!) - 23;
		const id = Buffer.from(bytes.subarray(offset, offset + idBytes)).toString('hex');
		const size = Buffer.from(bytes.subarray(offset + idBytes, offset + idBytes + 8));
		expect(size[0]).toBe(1);
		size[0] = 0;
		const start = offset + idBytes + 8;
		if (masters.has(id)) {
			found.push([id, undefined]);
			offset = start;
		} else {
			const end = start + Number(size.readBigUInt64BE());
			found.push([id, Buffer.from(bytes.subarray(start, end)).toString('hex')]);
			offset = end;
		}
	}
	return found;
}

describe('MatroskaWriter', () => {
	const video = { widthPixels: 1280, heightPixels: 720, frameRate: 30 };

	it('describes raw pictures and raw sound', () => {
		const header = elements(new MatroskaWriter({ video, sound: { sampleRate: 44_100 } }).header());
		const content = new Map(header);
		expect(content.get('4282')).toBe(Buffer.from('matroska').toString('hex'));
		expect(header.filter(([id]) => id === '86').map(([, text]) => Buffer.from(text!, 'hex').toString())).toEqual([
			'V_UNCOMPRESSED',
			'A_PCM/INT/LIT',
		]);
		expect(Number.parseInt(content.get('b0')!, 16)).toBe(1280);
		expect(Number.parseInt(content.get('ba')!, 16)).toBe(720);
		expect(Number.parseInt(content.get('23e383')!, 16)).toBe(33_333_333);
		expect(Buffer.from(content.get('b5')!, 'hex').readDoubleBE()).toBe(44_100);
		expect(header.filter(([id]) => id === 'ae')).toHaveLength(2);
	});

	it('leaves out the track that is not there', () => {
		const header = elements(new MatroskaWriter({ video: undefined, sound: { sampleRate: 48_000 } }).header());
		expect(header.filter(([id]) => id === 'ae')).toHaveLength(1);
	});

	it('gives blocks times of a tenth of a millisecond and begins a cluster every second', () => {
		const writer = new MatroskaWriter({ video, sound: { sampleRate: 48_000 } });
		const first = elements(Buffer.concat([writer.blockHeader('video', 0, 2), Buffer.of(0xaa, 0xbb)]));
		expect(first).toEqual([
			['1f43b675', undefined],
			['e7', '0000000000000000'],
			['a3', '81000080aabb'],
		]);
		expect(elements(Buffer.concat([writer.blockHeader('sound', 33.3333, 1), Buffer.of(1)]))).toEqual([
			['a3', '82014d8001'],
		]);
		const next = elements(Buffer.concat([writer.blockHeader('video', 1000, 1), Buffer.of(1)]));
		expect(next.map(([id]) => id)).toEqual(['1f43b675', 'e7', 'a3']);
		expect(Number.parseInt(next[1]![1]!, 16)).toBe(10_000);
		// A little earlier than the cluster: sound that follows a picture.
		expect(elements(Buffer.concat([writer.blockHeader('sound', 999.9, 1), Buffer.of(1)]))).toEqual([
			['a3', '82ffff8001'],
		]);
	});
});
