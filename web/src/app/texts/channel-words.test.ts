/** Order and heading of the start page. */
import { expect, it } from 'vitest';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import { byViewers, listHeading, sayViewers } from './channel-words.ts';

const channel = (name: string, state: ChannelDescription['state'], viewerCount: number | null) =>
	({ name, state, viewerCount }) as ChannelDescription;
const ALL = { query: '', category: '' };

it('puts who is live first, by viewers, and keeps equals in one order', () => {
	const list = [
		channel('d', 'offline', null),
		channel('c', 'live', 2),
		channel('b', 'live', 2),
		channel('a', 'live', 30),
	];
	expect(byViewers(list).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
	expect(byViewers(list.toReversed()).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
});

it('says how many are live, and where', () => {
	expect(listHeading(undefined, ALL, false)).toBe('Looking for live channels …');
	expect(listHeading(undefined, ALL, true)).toBe('The server does not answer');
	expect(listHeading([], ALL, false)).toBe('Nobody is live right now');
	expect(listHeading([channel('a', 'starting', null)], ALL, false)).toBe('About to start …');
	expect(listHeading([channel('a', 'interrupted', 1)], { query: '', category: 'Music' }, false)).toBe(
		'One channel is live in Music',
	);
	expect(listHeading([], { query: '', category: 'Music' }, false)).toBe('Nobody is live in Music');
});

it('counts what a search found, live or not', () => {
	expect(
		listHeading([channel('a', 'offline', null), channel('b', 'live', 0)], { query: 'x', category: '' }, false),
	).toBe('2 channels for “x”');
	expect(listHeading([], { query: 'x', category: 'Music' }, false)).toBe('Nothing found for “x” in Music');
});

it('does not invent a count', () => {
	expect(sayViewers(null)).toBeUndefined();
	expect(sayViewers(1)).toBe('1 viewer');
	expect(sayViewers(12_345)).toBe('12,345 viewers');
});
