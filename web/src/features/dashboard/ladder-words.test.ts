/** The pictures of a broadcast in words. */
import { expect, it } from 'vitest';
import type { ChannelHealth } from '../../../../core/protocol/api/channel-health.ts';
import { formatChoice, formatPicture, ladderRows, mostViewers } from './ladder-words.ts';

const RUNG = {
	widthPixels: 1280,
	heightPixels: 720,
	frameRate: 60,
	maxBitrateBps: 4_500_000,
	from: 'server',
	state: 'running',
} as const;
const HEALTH = {
	video: { codec: 'h264', widthPixels: 1920, heightPixels: 1080, frameRate: 59.94 },
	health: { videoBitrateBps: 6_200_000 },
	ladder: {
		rungs: [
			{ ...RUNG, name: '720p60', from: 'publisher' },
			{ ...RUNG, name: '480p30', widthPixels: 854, heightPixels: 480, frameRate: 29.9, state: 'failing' },
		],
		leftOut: [],
		reason: '',
		encoder: null,
	},
	audience: {
		rungs: [
			{ tier: 'webrtc', rung: 'source', count: 3 },
			{ tier: 'll-hls', rung: 'source', count: 4 },
			{ tier: 'll-hls', rung: '480p30', count: 2 },
		],
	},
} as unknown as ChannelHealth;

it('lists the source and the rungs, each with its viewers', () => {
	const rows = ladderRows(HEALTH);
	expect(rows).toEqual([
		{
			rung: 'source',
			label: '1080p60, your picture',
			detail: '1920 × 1080, 60 pictures a second',
			bitrate: '6.2 Mbit/s',
			state: undefined,
			viewers: { webrtc: 3, 'll-hls': 4 },
		},
		{
			rung: '720p60',
			label: '720p60',
			detail: '1280 × 720, 60 pictures a second, from your encoder',
			bitrate: 'up to 4.5 Mbit/s',
			state: undefined,
			viewers: { webrtc: 0, 'll-hls': 0 },
		},
		{
			rung: '480p30',
			label: '480p30',
			detail: '854 × 480, 30 pictures a second',
			bitrate: 'up to 4.5 Mbit/s',
			state: { words: 'encoder keeps failing', isTrouble: true },
			viewers: { webrtc: 0, 'll-hls': 2 },
		},
	]);
	expect(mostViewers(rows)).toBe(7);
});

it('lists the source alone without a ladder, and nothing without a picture', () => {
	expect(ladderRows({ ...HEALTH, ladder: null, health: null })).toMatchObject([{ rung: 'source', bitrate: '' }]);
	expect(ladderRows({ ...HEALTH, video: null })).toEqual([]);
	expect(mostViewers([])).toBe(1);
});

it('names pictures by their shorter side, and by their rate where it is known', () => {
	const name = (widthPixels: number, heightPixels: number, frameRate: number): string =>
		formatPicture({ widthPixels, heightPixels, frameRate });
	expect([name(1280, 720, 29.97), name(1280, 720, 50), name(480, 854, 30), name(854, 480, 0)]).toEqual([
		'720p30',
		'720p50',
		'480p30',
		'480p',
	]);
});

it('names choices', () => {
	expect([formatChoice('off'), formatChoice(['360p30']), formatChoice(['360p30', '1080p60', '720p60'])]).toEqual([
		'off',
		'360p30',
		'1080p60, 720p60 and 360p30',
	]);
});
