/** Tests of places for pending members. */
import { describe, expect, it } from 'vitest';
import { PendingPlaces } from './pending-places.ts';

describe('PendingPlaces', () => {
	it('ends the oldest of a group that takes more than its share, also before holdFor()', () => {
		const places = new PendingPlaces({ capacity: 10, reserve: 3, share: 2 });
		const ended: string[] = [];
		const [first, second] = [places.take('a', false), places.take('a', false)];
		first.holdFor(() => ended.push('first'));
		places.take('a', false);
		expect(ended).toEqual(['first']);
		places.take('a', false);
		second.holdFor(() => ended.push('second'));
		expect(ended).toEqual(['first', 'second']);
		expect(places.count).toBe(2);
	});

	it('does not end a released member, and releases a place once', () => {
		const places = new PendingPlaces({ capacity: 10, reserve: 3, share: 1 });
		const ended: string[] = [];
		const first = places.take('a', false);
		first.holdFor(() => ended.push('first'));
		first.release();
		first.release();
		places.take('a', false);
		expect([ended, places.count]).toEqual([[], 1]);
	});

	it('refuses an unknown member with a Retry-After while known ones hold all places', () => {
		const places = new PendingPlaces({ capacity: 2, reserve: 0, share: 2 });
		places.take('a', true);
		places.take('b', true);
		const refusal = expect.objectContaining({ code: 'RATE_LIMITED', retryAfterSeconds: 5 });
		expect(() => places.take('c', false)).toThrow(refusal);
		expect(() => places.take('c', true)).not.toThrow();
	});
});
