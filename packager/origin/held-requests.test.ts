/** Which requests may be held: by broadcast, by client, and when a broadcast is nearly full. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { HeldRequests } from './held-requests.ts';

function isRefused(held: HeldRequests, place: string, client: string | undefined): boolean {
	try {
		held.enter(place, client);
		return false;
	} catch (error) {
		expect(error).toMatchObject({ code: 'HELD_REQUESTS_FULL', httpStatus: 503, retryAfterSeconds: 1 });
		expect(error).toBeInstanceOf(SpillwayError);
		return true;
	}
}

describe('HeldRequests', () => {
	it('refuses a client above its share, over all broadcasts, and no other client', () => {
		const held = new HeldRequests(new FakeClock(), { maxHeldRequests: 1000, maxHeldRequestsPerAddress: 40 });
		for (let count = 0; count < 40; count++) {
			expect(isRefused(held, `broadcast ${count % 2}`, 'greedy')).toBe(false);
		}
		expect(isRefused(held, 'broadcast 0', 'greedy')).toBe(true);
		expect(isRefused(held, 'broadcast 2', 'greedy')).toBe(true);
		expect(isRefused(held, 'broadcast 0', 'modest')).toBe(false);
		expect(isRefused(held, 'broadcast 0', undefined)).toBe(false);
	});

	it('keeps the last quarter of a broadcast for clients that hold few', () => {
		const held = new HeldRequests(new FakeClock(), { maxHeldRequests: 400, maxHeldRequestsPerAddress: 400 });
		let admitted = 0;
		while (!isRefused(held, 'one', 'greedy')) {
			admitted++;
		}
		expect(admitted).toBe(300);
		for (let viewer = 0; viewer < 50; viewer++) {
			expect(isRefused(held, 'one', `viewer ${viewer}`)).toBe(false);
			expect(isRefused(held, 'one', `viewer ${viewer}`)).toBe(false);
		}
		expect(isRefused(held, 'one', 'viewer 51')).toBe(true);
		expect(isRefused(held, 'another', 'greedy')).toBe(false);
	});

	it('marks the requests of a crowd, so that others are answered first', () => {
		const held = new HeldRequests(new FakeClock(), { maxHeldRequests: 1000, maxHeldRequestsPerAddress: 1000 });
		const ofHousehold = Array.from({ length: 30 }, () => held.enter('one', 'household').isOfCrowd);
		expect(ofHousehold.filter((isOfCrowd) => !isOfCrowd)).toHaveLength(16);
		const unknown = Array.from({ length: 30 }, () => held.enter('one', undefined).isOfCrowd);
		expect(unknown).not.toContain(true);
	});

	it('detects a client that asks more often than twenty viewers, and when it stops', async () => {
		const clock = new FakeClock();
		const held = new HeldRequests(clock, { maxHeldRequests: 1000, maxHeldRequestsPerAddress: 1000 });
		const ask = async (perSecond: number): Promise<number> => {
			let busyCount = 0;
			for (let index = 0; index < 2 * perSecond; index++) {
				busyCount += held.isBusy('household') ? 1 : 0;
				await clock.advance(1000 / perSecond);
			}
			return busyCount;
		};
		expect(await ask(390)).toBe(0);
		expect(await ask(2000)).toBeGreaterThan(2000);
		await clock.advance(1000);
		expect(await ask(390)).toBe(0);
		expect(Array.from({ length: 1000 }, () => held.isBusy(undefined))).not.toContain(true);
	});

	it('keeps nothing of clients that have left', () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(5), fc.boolean()), { maxLength: 80 }), (steps) => {
				const held = new HeldRequests(new FakeClock(), { maxHeldRequests: 20, maxHeldRequestsPerAddress: 6 });
				const leaves: (() => void)[] = [];
				for (const [place, client, isLeaving] of steps) {
					if (isLeaving) {
						const leave = leaves.shift();
						leave?.();
						leave?.();
					} else {
						try {
							leaves.push(held.enter(`place ${place}`, client === 5 ? undefined : `client ${client}`).leave);
						} catch (error) {
							expect(error).toBeInstanceOf(SpillwayError);
						}
					}
				}
				leaves.forEach((leave) => leave());
				expect(held.keyCount).toBe(0);
			}),
		);
	});
});
