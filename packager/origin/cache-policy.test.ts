/** Cache lives: what a CDN may keep, and above all what it may not. */
import { describe, expect, it } from 'vitest';
import { cacheControl, type AnswerKind } from './cache-policy.ts';

describe('cacheControl', () => {
	it.each<[AnswerKind, string]>([
		['blocking-playlist', 'public, max-age=18'],
		['blocking-playlist-unfulfilled', 'no-store'],
		['playlist', 'public, max-age=1'],
		['multivariant-playlist', 'public, max-age=1'],
		['media', 'public, max-age=86400, immutable'],
		['not-found', 'public, max-age=1'],
		['bad-request', 'no-store'],
		['unavailable', 'no-store'],
	])('for %s: %s', (kind, expected) => {
		expect(cacheControl(kind)).toBe(expected);
	});
});
