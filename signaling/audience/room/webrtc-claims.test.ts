/** Tests that claims of clients who never connect keep no viewer out, and that a household's claims are good. */
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
	return { id, channelName: 'demo' as ChannelName, address, isAssignedWebRtc: true, hasTransport: false, ...change };
}

describe('WebRtcClaims', () => {
	it('trusts the first claims of an address and no others, assigned or not', () => {
		const judged = Array.from({ length: 50 }, (_, index) => claims.isUnproven(claimant(index)));
		expect(judged.filter((isUnproven) => !isUnproven)).toHaveLength(CLAIMS_PER_GROUP);
		expect(claims.isUnproven(claimant(99, { isAssignedWebRtc: false }))).toBe(true);
		expect(claims.weakCount('demo' as ChannelName)).toBe(50 - CLAIMS_PER_GROUP);
	});

	it.each([
		['one IPv6 /64', (index: number) => `2001:db8:1:1::${index + 1}`, CLAIMS_PER_GROUP],
		['fifty addresses', (index: number) => `198.51.100.${index + 1}`, 50],
		['this machine', () => '127.0.0.1', 50],
		['no address', () => undefined, 50],
	])('trusts claims of fifty viewers from %s by address group', (_name, addressOf, goodCount) => {
		const judged = Array.from({ length: 50 }, (_, index) => {
			return claims.isUnproven(claimant(index, { address: addressOf(index) }));
		});
		expect(judged.filter((isUnproven) => !isUnproven)).toHaveLength(goodCount);
	});

	it('trusts the next claim of an address when a viewer has connected or left', () => {
		for (let index = 0; index <= CLAIMS_PER_GROUP + 1; index++) {
			claims.isUnproven(claimant(index));
		}
		expect(claims.isUnproven(claimant(0, { hasTransport: true }))).toBe(false);
		expect(claims.isUnproven(claimant(CLAIMS_PER_GROUP))).toBe(false);
		claims.delete(claimant(1).id);
		expect(claims.isUnproven(claimant(CLAIMS_PER_GROUP + 1))).toBe(false);
	});

	it('trusts a claim for as long as connecting takes', async () => {
		expect(claims.isUnproven(claimant(0))).toBe(false);
		await clock.advance(CLAIM_LIFE_MS - 1);
		expect(claims.isUnproven(claimant(0))).toBe(false);
		await clock.advance(1);
		expect(claims.isUnproven(claimant(0))).toBe(true);
		expect(claims.isUnproven(claimant(0, { hasTransport: true }))).toBe(false);
	});

	it('never trusts more claims than an address may have, and keeps none of viewers who left', () => {
		const change = fc.record({ number: fc.nat(80), isAssignedWebRtc: fc.boolean(), hasTransport: fc.boolean() });
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
				const assignedCount = weak.filter(({ isAssignedWebRtc }) => isAssignedWebRtc).length;
				expect(pool.weakCount('demo' as ChannelName)).toBe(assignedCount);
				open.forEach(({ id }) => pool.delete(id));
				expect(pool.weakCount('demo' as ChannelName)).toBe(0);
				expect(pool.isUnproven(claimant(1000))).toBe(false);
			}),
		);
	});
});
