/** Cache lives: what a CDN may keep, and above all what it may not. */
import { expect, it } from 'vitest';
import { CACHE_CONTROL } from './cache-policy.ts';

it('gives each kind of answer its cache life', () => {
	expect(CACHE_CONTROL).toEqual({
		'blocking-playlist': 'public, max-age=18',
		'blocking-playlist-unfulfilled': 'no-store',
		playlist: 'public, max-age=1',
		'multivariant-playlist': 'public, max-age=1',
		media: 'public, max-age=86400, immutable',
		'video-playlist': 'public, max-age=86400',
		'growing-video-playlist': 'public, max-age=1',
		'private-video-playlist': 'private, no-store',
		'private-video-media': 'private, max-age=86400, immutable',
		'presigned-redirect': 'private, max-age=240',
		steering: 'no-store',
		still: 'public, max-age=5',
		'growing-video-poster': 'public, max-age=60',
		gone: 'public, max-age=60',
		'not-found': 'public, max-age=1',
		'bad-request': 'no-store',
		unavailable: 'no-store',
	});
});
