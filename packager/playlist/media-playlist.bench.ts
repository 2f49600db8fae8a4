/** How fast a media playlist of a ladder is written: a window of 60 s and one of 10 min, with and without gzip. */
import { gzipSync } from 'node:zlib';
import { describe, it } from 'vitest';
import type { Segment } from '../rendition/segment.ts';
import { formatMediaPlaylist, type MediaPlaylistState } from './media-playlist.ts';

function stateOf(segmentCount: number): MediaPlaylistState {
	const segments = Array.from({ length: segmentCount }, (_, index): Segment => ({
		mediaSequence: index + 1,
		name: `segment${index + 1}.m4s`,
		initName: 'init0.mp4',
		discontinuitySequence: 0,
		hasDiscontinuity: false,
		timescale: 90_000,
		startTicks: index * 180_000,
		durationTicks: 180_000,
		programDateTimeMs: 1_767_225_600_000 + index * 2000,
		parts: Array.from({ length: 10 }, (_part, part) => ({
			name: `part${index * 10 + part + 1}.m4s`,
			startTicks: index * 180_000 + part * 18_000,
			durationTicks: 18_000,
			isIndependent: part === 0,
			isGap: false,
			sizeBytes: 60_000,
			sampleCount: 6,
		})),
		isComplete: true,
		sizeBytes: 600_000,
	}));
	return {
		segments,
		mediaSequence: 1,
		removedDiscontinuityCount: 0,
		nextPartName: `part${segmentCount * 10 + 1}.m4s`,
		nextInitName: undefined,
		hasEnded: false,
	};
}

/** Of a ladder with four rungs and a low sound. */
const reports = ['video1', 'video2', 'video3', 'video4', 'audio0', 'audio1'].map((trackId) => ({
	uri: `../${trackId}/index.m3u8`,
	lastMediaSequence: 30,
	lastPartIndex: 9,
}));

describe('formatMediaPlaylist', () => {
	for (const segmentCount of [30, 300]) {
		it(`of ${segmentCount} segments of 2 s`, async ({ bench }) => {
			const state = stateOf(segmentCount);
			const options = { isDelta: false, reports };
			await bench.compare(
				bench('text', () => {
					formatMediaPlaylist(state, options);
				}),
				bench('text and gzip', () => {
					gzipSync(formatMediaPlaylist(state, options));
				}),
				bench('delta', () => {
					formatMediaPlaylist(state, { ...options, isDelta: true });
				}),
			);
		});
	}
});
