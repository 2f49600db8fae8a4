/** Every state has words, and those that can be left by hand say how. */
import { describe, expect, it } from 'vitest';
import type { PlaybackErrorKind, PlaybackState } from '../../player/create-player.ts';
import { playerNotice, sayBehind, type NoticeFacts } from './player-words.ts';

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
const SILENT: PlaybackState[] = [
	'idle',
	'connecting',
	'stalled',
	'interrupted',
	'offline',
	'ended',
	'error',
	'stopped',
];
const KINDS: PlaybackErrorKind[] = ['unsupported', 'unreachable', 'refused', 'connection-lost', 'undecodable'];

describe('playerNotice', () => {
	it('says nothing over a playing picture', () => {
		expect(playerNotice({ ...FACTS, state: 'playing' })).toBeUndefined();
	});

	it.each(SILENT)('has a title and a sentence for %s', (state) => {
		const notice = playerNotice({ ...FACTS, state })!;
		expect(notice.title).not.toBe('');
		expect(notice.text).toMatch(/[.…]$/);
	});

	it('leaves the last picture free while the publisher is away, but not when there is none', () => {
		expect(playerNotice({ ...FACTS, state: 'interrupted', hasPlayed: true })!.form).toBe('note');
		expect(playerNotice({ ...FACTS, state: 'interrupted' })!.form).toBe('cover');
	});

	it.each(KINDS)('offers to try again after %s, and the other tier unless the server is away', (kind) => {
		const notice = playerNotice({ ...FACTS, state: 'error', error: { kind, detail: 'Because.', fatal: true } })!;
		expect(notice.canRetry).toBe(true);
		expect(notice.suggestedTier).toBe(kind === 'unreachable' ? undefined : 'll-hls');
		expect(notice.text).not.toContain('by itself');
	});

	it('says that it retries by itself when it does', () => {
		const error = { kind: 'unreachable', detail: '', fatal: false } as const;
		expect(playerNotice({ ...FACTS, state: 'error', error })!.text).toContain('by itself');
	});

	it('says which tier does not answer while the server does, and offers the other', () => {
		const error = { kind: 'unreachable', detail: '', fatal: false } as const;
		for (const state of ['connecting', 'stalled', 'error'] as const) {
			const notice = playerNotice({ ...FACTS, state, error, tier: 'll-hls', isSocketOpen: true })!;
			expect(notice).toMatchObject({ canRetry: true, suggestedTier: 'webrtc' });
			expect(notice.text).not.toContain('connection');
		}
	});

	it('says why a poor line keeps one waiting', () => {
		const notice = playerNotice({ ...FACTS, state: 'stalled', hasPlayed: true, lineProblem: 'starved' })!;
		expect(notice.text).toContain('Your line');
	});

	it('waits for nothing during a pause', () => {
		for (const state of ['connecting', 'stalled', 'stopped', 'error'] as const) {
			expect(playerNotice({ ...FACTS, state, isPaused: true })).toBeUndefined();
		}
		expect(playerNotice({ ...FACTS, state: 'ended', isPaused: true })).toBeDefined();
	});

	it('names how far behind live somebody is, where it is known', () => {
		expect(sayBehind(8320)).toBe('8 s behind · Go to live');
		expect(sayBehind(undefined)).toBe('Behind · Go to live');
	});

	it('names the server when that is what is missing', () => {
		expect(playerNotice({ ...FACTS, state: 'stalled', hasPlayed: true, isServerUnreachable: true })!.title).toBe(
			'The server does not answer',
		);
	});
});
