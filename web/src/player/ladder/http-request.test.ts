/** Requests over a scripted fetch. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { httpRequest, HttpStatusError, type Progress } from './http-request.ts';

const URL_OF_PART = 'https://a.test/part1.m4s';

function setUp(answer: (init: RequestInit) => Response | Promise<Response>) {
	const clock = new FakeClock();
	const sent: RequestInit[] = [];
	const request = httpRequest(clock, async (_url, init = {}) => {
		sent.push(init);
		await clock.advance(30);
		return answer(init);
	});
	return { clock, request, sent };
}

function pieces(clock: FakeClock, ...sizes: number[]): ReadableStream<Uint8Array> {
	return new ReadableStream({
		async pull(controller) {
			const size = sizes.shift();
			if (size === undefined) {
				controller.close();
			} else {
				await clock.advance(10);
				controller.enqueue(new Uint8Array(size).fill(size));
			}
		},
	});
}

describe('httpRequest', () => {
	it('joins the pieces, and reports when they came', async () => {
		const { clock, request } = setUp(
			() => new Response(pieces(clock, 3, 2), { headers: { 'content-length': '5', age: '1' } }),
		);
		const seen: Progress[] = [];
		const { signal } = new AbortController();
		const answer = await request(URL_OF_PART, { signal, onProgress: (progress) => seen.push({ ...progress }) });
		expect([...answer.bytes]).toEqual([3, 3, 3, 2, 2]);
		expect(answer.headers.get('age')).toBe('1');
		expect(seen[0]).toEqual({ requestedAtMs: 0, firstByteAtMs: undefined, loadedBytes: 0, totalBytes: undefined });
		expect(seen[1]).toMatchObject({ firstByteAtMs: expect.any(Number), loadedBytes: 0, totalBytes: 5 });
		expect(seen.slice(2).map(({ loadedBytes }) => loadedBytes)).toEqual([3, 5]);
	});

	it('does not know the length of what is compressed', async () => {
		const headers = { 'content-length': '2', 'content-encoding': 'gzip' };
		const { clock, request } = setUp(() => new Response(pieces(clock, 3, 2), { headers }));
		const totals: (number | undefined)[] = [];
		const { signal } = new AbortController();
		await request(URL_OF_PART, { signal, onProgress: ({ totalBytes }) => totals.push(totalBytes) });
		expect(totals.filter((total) => total !== undefined)).toEqual([]);
	});

	it('asks for the beginning only', async () => {
		const { request, sent } = setUp(() => new Response('abc', { status: 206 }));
		await request(URL_OF_PART, { signal: new AbortController().signal, byteCount: 100 });
		expect(sent[0]?.headers).toEqual({ range: 'bytes=0-99' });
	});

	it('rejects with the status of another answer', async () => {
		const { request } = setUp(() => new Response('', { status: 404 }));
		const failing = request(URL_OF_PART, { signal: new AbortController().signal });
		await expect(failing).rejects.toBeInstanceOf(HttpStatusError);
		await expect(failing).rejects.toMatchObject({ status: 404 });
	});
});
