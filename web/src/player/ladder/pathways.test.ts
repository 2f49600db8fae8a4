/** Requests over several CDNs, of which some fail. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { HttpStatusError, type HttpAnswer, type HttpRequest } from './http-request.ts';
import { Pathways, type Steering } from './pathways.ts';

const STEERING: Steering = {
	url: 'https://live.test/hls/steering.json',
	pathways: [
		{ id: 'a', base: 'https://a.test' },
		{ id: 'b', base: 'https://b.test/x' },
		{ id: 'c', base: 'https://c.test' },
	],
};
const PART = '/hls/ada/b1/video0/part1.m4s';

type Reaction = 'ok' | 'refuses' | 'hangs' | number;

function setUp(reactions: Record<string, Reaction>, manifest: object = {}) {
	const clock = new FakeClock();
	const asked: string[] = [];
	const request: HttpRequest = (url, { signal }) => {
		asked.push(url);
		const reaction = reactions[new URL(url).host] ?? 'ok';
		const bytes = new TextEncoder().encode(url.includes('steering') ? JSON.stringify(manifest) : 'media');
		if (reaction === 'hangs') {
			return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
		}
		if (reaction !== 'ok') {
			return Promise.reject(reaction === 'refuses' ? new TypeError('no answer') : new HttpStatusError(reaction, url));
		}
		return Promise.resolve({ url, bytes } as unknown as HttpAnswer);
	};
	const pathways = new Pathways({ clock, request }, STEERING);
	const get = (path = PART, signal = new AbortController().signal): Promise<HttpAnswer> =>
		pathways.request(`https://a.test${path}`, { signal });
	const hosts = (): string[] => asked.splice(0).map((url) => new URL(url).host);
	return { clock, asked, hosts, pathways, reactions, get };
}

describe('Pathways', () => {
	it('loads from the one that the manifest puts first, under the address that was asked for', async () => {
		const { clock, asked, get, pathways } = setUp({}, { 'PATHWAY-PRIORITY': ['b', 'a'] });
		await clock.advance(0);
		asked.splice(0);
		expect((await get()).url).toBe(`https://a.test${PART}`);
		expect(asked).toEqual([`https://b.test/x${PART}`]);
		pathways.close();
		expect(clock.pendingCount).toBe(0);
	});

	it.each<[string, Reaction]>([
		['does not answer', 'refuses'],
		['fails', 503],
	])('moves for good when one %s', async (_name, reaction) => {
		const { clock, hosts, get, pathways } = setUp({ 'a.test': reaction });
		await clock.advance(0);
		hosts();
		await get();
		await get();
		expect(hosts()).toEqual(['a.test', 'b.test', 'b.test']);
		pathways.close();
	});

	it('moves when one is silent for longer than a server holds a request', async () => {
		const { clock, hosts, get, pathways } = setUp({ 'a.test': 'hangs' });
		await clock.advance(0);
		hosts();
		const answer = get();
		await clock.advance(3900);
		expect(hosts()).toEqual(['a.test']);
		await clock.advance(200);
		await answer;
		expect(hosts()).toEqual(['b.test']);
		pathways.close();
	});

	it('tries each once, and then fails with the last failure', async () => {
		const { clock, hosts, get, pathways } = setUp({ 'a.test': 'refuses', 'b.test': 'refuses', 'c.test': 502 });
		await clock.advance(0);
		hosts();
		await expect(get()).rejects.toMatchObject({ status: 502 });
		expect(hosts()).toEqual(['a.test', 'b.test', 'c.test']);
		pathways.close();
	});

	it('does not move for what is missing everywhere, nor for a request that is given up', async () => {
		const { clock, hosts, get, pathways, reactions } = setUp({ 'a.test': 404 });
		await clock.advance(0);
		hosts();
		await expect(get()).rejects.toMatchObject({ status: 404 });
		reactions['a.test'] = 'hangs';
		const abort = new AbortController();
		const answer = get(PART, abort.signal);
		abort.abort(new Error('not wanted any more'));
		await expect(answer).rejects.toThrow('not wanted');
		expect(hosts()).toEqual(['a.test', 'a.test']);
		pathways.close();
	});

	it('asks for the manifest again after its time, where it says, and returns to one that has failed', async () => {
		const manifest = { TTL: 60, 'RELOAD-URI': '/hls/steering.json?seed=7', 'PATHWAY-PRIORITY': ['a', 'b', 'nobody'] };
		const { clock, asked, hosts, get, pathways, reactions } = setUp({ 'a.test': 'refuses' }, manifest);
		await clock.advance(0);
		await get();
		reactions['a.test'] = 'ok';
		hosts();
		await clock.advance(60_000);
		expect(asked.splice(0)).toEqual(['https://live.test/hls/steering.json?seed=7']);
		await get();
		expect(hosts()).toEqual(['b.test']);
		await clock.advance(60_000);
		await get();
		expect(hosts()).toEqual(['live.test', 'a.test']);
		pathways.close();
	});

	it.each([{ TTL: 'x' }, { TTL: -5 }, [], { 'PATHWAY-PRIORITY': 'b' }, { 'PATHWAY-PRIORITY': [{}, null, 3] }])(
		'keeps its order with a manifest that makes no sense: %j',
		async (manifest) => {
			const { clock, hosts, get, pathways } = setUp({}, manifest);
			await clock.advance(9000);
			await get();
			expect(hosts()).toEqual(['live.test', 'a.test']);
			pathways.close();
		},
	);

	it('passes on what is not on a pathway', async () => {
		const { asked, pathways } = setUp({});
		asked.splice(0);
		await pathways.request('https://live.test/hls/ada/index.m3u8', { signal: new AbortController().signal });
		expect(asked).toEqual(['https://live.test/hls/ada/index.m3u8']);
		pathways.close();
	});
});
