/** Who begins at which CDN, and what a player is answered. */
import { describe, expect, it } from 'vitest';
import type { Cdn } from '../config/packager-config.ts';
import { MAX_SEED, pathwaysOf, steeringManifest } from './content-steering.ts';

const CDNS: Cdn[] = [
	{ id: 'spare', baseUrl: 'https://spare.example', weight: 0 },
	{ id: 'small', baseUrl: 'https://small.example/' },
	{ id: 'large', baseUrl: 'https://large.example/live', weight: 3 },
];

function priority(cdns: readonly Cdn[], seed: number): string[] {
	return (steeringManifest(cdns, seed) as { 'PATHWAY-PRIORITY': string[] })['PATHWAY-PRIORITY'];
}

const seeds = Array.from({ length: MAX_SEED }, (_, seed) => seed);

describe('pathwaysOf', () => {
	it('has the one with the largest share first, and an address before each path', () => {
		expect(pathwaysOf(CDNS, '/hls/demo/')).toEqual([
			{ id: 'large', base: 'https://large.example/live/hls/demo/' },
			{ id: 'small', base: 'https://small.example/hls/demo/' },
			{ id: 'spare', base: 'https://spare.example/hls/demo/' },
		]);
		expect(pathwaysOf([], '/hls/demo/')).toEqual([]);
	});
});

describe('steeringManifest', () => {
	it('lets a player return with its seed, to the same order', () => {
		expect(steeringManifest([{ id: 'a', baseUrl: 'https://a.example' }], 7)).toEqual({
			VERSION: 1,
			TTL: 300,
			'RELOAD-URI': '/hls/steering.json?seed=7',
			'PATHWAY-PRIORITY': ['a'],
		});
		expect(priority(CDNS, 7)).toEqual(priority(CDNS, 7));
	});

	it('shares players out by weight, and has those of weight 0 last', () => {
		const orders = seeds.map((seed) => priority(CDNS, seed));
		const largeShare = orders.filter(([first]) => first === 'large').length / MAX_SEED;
		expect(largeShare).toBeGreaterThan(0.7);
		expect(largeShare).toBeLessThan(0.8);
		expect(new Set(orders.map((order) => order.at(-1)))).toEqual(new Set(['spare']));
	});

	it('moves players only to a CDN that is new', () => {
		const more = [...CDNS, { id: 'new', baseUrl: 'https://new.example' }];
		const moved = seeds.filter((seed) => priority(more, seed)[0] !== priority(CDNS, seed)[0]);
		expect(moved.length).toBeGreaterThan(0);
		expect(new Set(moved.map((seed) => priority(more, seed)[0]))).toEqual(new Set(['new']));
	});
});
