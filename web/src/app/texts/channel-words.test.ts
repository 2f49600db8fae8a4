/** Order and heading of the start page. */
import { expect, it } from 'vitest';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import { byViewers, listHeading, formatViewers } from './channel-words.ts';

const channel = (name: string, state: ChannelDescription['state'], viewerCount: number | null) =>
	({ name, state, viewerCount }) as ChannelDescription;
const ALL = { query: '', category: '' };

it('sorts live channels first, then by viewers, then by name', () => {
	const list = [
		channel('d', 'offline', null),
		channel('c', 'live', 2),
		channel('b', 'live', 2),
		channel('a', 'live', 30),
	];
	expect(byViewers(list).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
	expect(byViewers(list.toReversed()).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
});

it('counts live channels, and names the category', () => {
	expect(listHeading(undefined, ALL, false)).toBe('Looking for live channels …');
	expect(listHeading(undefined, ALL, true)).toBe('The server does not answer');
	expect(listHeading([], ALL, false)).toBe('Nobody is live right now');
	expect(listHeading([channel('a', 'starting', null)], ALL, false)).toBe('About to start …');
	const music = { query: '', category: 'Music' };
	expect(listHeading([channel('a', 'interrupted', 1)], music, false)).toBe('One channel is live in Music');
	expect(listHeading([], music, false)).toBe('Nobody is live in Music');
});

it('counts the results of a search, live or not', () => {
	const found = [channel('a', 'offline', null), channel('b', 'live', 0)];
	expect(listHeading(found, { query: 'x', category: '' }, false)).toBe('2 channels for “x”');
	expect(listHeading([], { query: 'x', category: 'Music' }, false)).toBe('Nothing found for “x” in Music');
});

it('formats a viewer count where there is one', () => {
	expect(formatViewers(null)).toBeUndefined();
	expect(formatViewers(1)).toBe('1 viewer');
	expect(formatViewers(12_345)).toBe('12,345 viewers');
});
