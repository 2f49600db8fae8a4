/**
 * Claims of strangers who never connect must not keep anybody out, and those of a household must be as good as
 * anybody's.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ChannelName, ViewerId } from '../../../core/ids.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { CLAIM_LIFE_MS, type Claimant, CLAIMS_PER_GROUP, WebRtcClaims } from './webrtc-claims.ts';

let clock: FakeClock;
let claims: WebRtcClaims;

beforeEach(() => {
	clock = new FakeClock();
	claims = new WebRtcClaims(clock);
});

function claimant(number: number, change: Partial<Claimant> = {}): Claimant {
	const address = '203.0.113.7';
	const id = `viewer-${number}` as ViewerId;
	return { id, channelName: 'demo' as ChannelName, address, isToldWebRtc: true, hasTransport: false, ...change };
}

describe('WebRtcClaims', () => {
	it('holds the first of an address to be good, and of the others none, told or not', () => {
		const judged = Array.from({ length: 50 }, (_, index) => claims.isUnproven(claimant(index)));
		expect(judged.filter((isUnproven) => !isUnproven)).toHaveLength(CLAIMS_PER_GROUP);
		expect(claims.isUnproven(claimant(99, { isToldWebRtc: false }))).toBe(true);
		expect(claims.weakCount('demo' as ChannelName)).toBe(50 - CLAIMS_PER_GROUP);
	});

	it.each([
		['one IPv6 /64', (index: number) => `2001:db8:1:1::${index + 1}`, CLAIMS_PER_GROUP],
		['addresses of their own', (index: number) => `198.51.100.${index + 1}`, 50],
		['this machine', () => '127.0.0.1', 50],
		['nowhere yet', () => undefined, 50],
	])('counts fifty from %s', (_name, addressOf, goodCount) => {
		const judged = Array.from({ length: 50 }, (_, index) => {
			return claims.isUnproven(claimant(index, { address: addressOf(index) }));
		});
		expect(judged.filter((isUnproven) => !isUnproven)).toHaveLength(goodCount);
	});

	it('lets the next of an address be good when one has connected or gone', () => {
		for (let index = 0; index <= CLAIMS_PER_GROUP + 1; index++) {
			claims.isUnproven(claimant(index));
		}
		expect(claims.isUnproven(claimant(0, { hasTransport: true }))).toBe(false);
		expect(claims.isUnproven(claimant(CLAIMS_PER_GROUP))).toBe(false);
		claims.forget(claimant(1).id);
		expect(claims.isUnproven(claimant(CLAIMS_PER_GROUP + 1))).toBe(false);
	});

	it('holds a claim to be good for as long as connecting takes', async () => {
		expect(claims.isUnproven(claimant(0))).toBe(false);
		await clock.advance(CLAIM_LIFE_MS - 1);
		expect(claims.isUnproven(claimant(0))).toBe(false);
		await clock.advance(1);
		expect(claims.isUnproven(claimant(0))).toBe(true);
		expect(claims.isUnproven(claimant(0, { hasTransport: true }))).toBe(false);
	});

	it('never holds more to be good than an address may have, and forgets all who went', () => {
		const change = fc.record({ number: fc.nat(80), isToldWebRtc: fc.boolean(), hasTransport: fc.boolean() });
		fc.assert(
			fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
				const pool = new WebRtcClaims(clock);
				const open = new Map<number, Claimant>();
				for (const { number, ...rest } of changes) {
					const viewer = claimant(number, rest);
					pool.isUnproven(viewer);
					open.set(number, viewer);
				}
				const unconnected = [...open.values()].filter(({ hasTransport }) => !hasTransport);
				const weak = unconnected.filter((viewer) => pool.isUnproven(viewer));
				expect(unconnected.length - weak.length).toBe(Math.min(CLAIMS_PER_GROUP, unconnected.length));
				const toldCount = weak.filter(({ isToldWebRtc }) => isToldWebRtc).length;
				expect(pool.weakCount('demo' as ChannelName)).toBe(toldCount);
				open.forEach(({ id }) => pool.forget(id));
				expect(pool.weakCount('demo' as ChannelName)).toBe(0);
				expect(pool.isUnproven(claimant(1000))).toBe(false);
			}),
		);
	});
});
