/** Links, mentions and emotes in messages, and text that must not become one. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isMentioned, splitChatText } from './chat-text.ts';

const split = (text: string, ownName: string | null = null) => splitChatText({ text, emotes: [] }, ownName);

it('links web addresses without the sentence around them', () => {
	expect(split('see (https://example.org/a_(b)), or http://x.org.')).toEqual([
		{ kind: 'text', text: 'see (' },
		{ kind: 'link', text: 'https://example.org/a_(b)', url: 'https://example.org/a_(b)' },
		{ kind: 'text', text: '), or ' },
		{ kind: 'link', text: 'http://x.org', url: 'http://x.org/' },
		{ kind: 'text', text: '.' },
	]);
});

it.each(['javascript:alert(1)', 'data:text/html,x', 'https://bank.example@evil.example/', 'https://', 'ftp://x.org'])(
	'does not link %s',
	(text) => {
		expect(split(text).filter(({ kind }) => kind === 'link')).toEqual([]);
	},
);

it('keeps markup as text', () => {
	const text = '<img src=x onerror="alert(1)">';
	expect(split(text)).toEqual([{ kind: 'text', text }]);
});

it('detects mentions of the viewer', () => {
	const pieces = split('@Mira hi, mail a@mira.org', 'mira');
	expect(pieces[0]).toEqual({ kind: 'mention', text: '@Mira', isSelf: true });
	expect(pieces.filter(({ kind }) => kind === 'mention')).toHaveLength(1);
	expect(isMentioned(pieces)).toBe(true);
	expect(isMentioned(split('@mira', 'mir'))).toBe(false);
});

it('places emotes where the server found them, and ignores impossible places', () => {
	const emotes = [
		{ name: 'Wave', from: 3, to: 7 },
		{ name: 'Over', from: 5, to: 8 },
		{ name: 'Beyond', from: 4, to: 99 },
	];
	expect(splitChatText({ text: 'hi Wave !', emotes }, null)).toEqual([
		{ kind: 'text', text: 'hi ' },
		{ kind: 'emote', text: 'Wave', name: 'Wave' },
		{ kind: 'text', text: ' !' },
	]);
});

it('keeps every character once, and links only web addresses', () => {
	const word = fc.oneof(fc.string(), fc.webUrl(), fc.constantFrom('@a_b', 'http://', ')', '@', 'javascript:x'));
	const emote = fc.record({
		name: fc.string(),
		from: fc.integer({ min: -2, max: 40 }),
		to: fc.integer({ min: -2, max: 40 }),
	});
	fc.assert(
		fc.property(fc.array(word, { maxLength: 12 }), fc.array(emote, { maxLength: 5 }), (words, emotes) => {
			const text = words.join(' ');
			const pieces = splitChatText({ text, emotes }, 'a_b');
			expect(pieces.map((piece) => piece.text).join('')).toBe(text);
			for (const piece of pieces) {
				expect(piece.kind !== 'link' || /^https?:\/\//.test(piece.url)).toBe(true);
			}
		}),
	);
});
