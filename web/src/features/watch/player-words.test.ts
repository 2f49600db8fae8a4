/** The notice of each state, and its actions. */
import { describe, expect, it } from 'vitest';
import type { PlaybackErrorKind } from '../../player/create-player.ts';
import { playerNotice, formatBehind, type NoticeFacts } from './player-words.ts';

const FACTS: NoticeFacts = {
	state: 'connecting',
	error: undefined,
	channelName: 'demo',
	tier: 'webrtc',
	hasPlayed: false,
	isServerUnreachable: false,
	isSocketOpen: false,
	isPaused: false,
	lineProblem: undefined,
};
const STATES = ['idle', 'connecting', 'stalled', 'interrupted', 'offline', 'ended', 'error', 'stopped'] as const;
const KINDS: PlaybackErrorKind[] = ['unsupported', 'unreachable', 'refused', 'connection-lost', 'undecodable'];

describe('playerNotice', () => {
	it('has no notice over a playing picture', () => {
		expect(playerNotice({ ...FACTS, state: 'playing' })).toBeUndefined();
	});

	it.each(STATES)('has a title and a sentence for %s', (state) => {
		const notice = playerNotice({ ...FACTS, state })!;
		expect(notice.title).not.toBe('');
		expect(notice.text).toMatch(/[.…]$/);
	});

	it('keeps the last picture visible while the publisher is away, and covers an empty stage', () => {
		expect(playerNotice({ ...FACTS, state: 'interrupted', hasPlayed: true })!.form).toBe('note');
		expect(playerNotice({ ...FACTS, state: 'interrupted' })!.form).toBe('cover');
	});

	it.each(KINDS)('offers a retry after %s, and the other tier unless the server is away', (kind) => {
		const notice = playerNotice({ ...FACTS, state: 'error', error: { kind, detail: 'Because.', fatal: true } })!;
		expect(notice.canRetry).toBe(true);
		expect(notice.suggestedTier).toBe(kind === 'unreachable' ? undefined : 'll-hls');
		expect(notice.text).not.toContain('by itself');
	});

	it('mentions an automatic retry', () => {
		const error = { kind: 'unreachable', detail: '', fatal: false } as const;
		expect(playerNotice({ ...FACTS, state: 'error', error })!.text).toContain('by itself');
	});

	it('names the tier that does not answer while the server does, and offers the other', () => {
		const error = { kind: 'unreachable', detail: '', fatal: false } as const;
		for (const state of ['connecting', 'stalled', 'error'] as const) {
			const notice = playerNotice({ ...FACTS, state, error, tier: 'll-hls', isSocketOpen: true })!;
			expect(notice).toMatchObject({ canRetry: true, suggestedTier: 'webrtc' });
			expect(notice.text).not.toContain('connection');
		}
	});

	it('explains the wait on a poor line', () => {
		const notice = playerNotice({ ...FACTS, state: 'stalled', hasPlayed: true, lineProblem: 'starved' })!;
		expect(notice.text).toContain('Your line');
	});

	it('has no notice of waiting during a pause', () => {
		for (const state of ['connecting', 'stalled', 'stopped', 'error'] as const) {
			expect(playerNotice({ ...FACTS, state, isPaused: true })).toBeUndefined();
		}
		expect(playerNotice({ ...FACTS, state: 'ended', isPaused: true })).toBeDefined();
	});

	it('shows the distance to live, where it is known', () => {
		expect(formatBehind(8320)).toBe('8 s behind · Go to live');
		expect(formatBehind(754_000)).toBe('12:34 behind · Go to live');
		expect(formatBehind(undefined)).toBe('Behind · Go to live');
	});

	it('names the server when it does not answer', () => {
		expect(playerNotice({ ...FACTS, state: 'stalled', hasPlayed: true, isServerUnreachable: true })!.title).toBe(
			'The server does not answer',
		);
	});
});
