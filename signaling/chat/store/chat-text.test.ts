/** Tests of untrusted chat texts and what goes with them: cleaning, emotes, blocked words, ids, name colours. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { createWordFilter, foldText } from '../moderation/blocked-words.ts';
import { luminance, nameColor } from './chat-author.ts';
import { ChatIds, isChatId } from './chat-ids.ts';
import { cleanChatText, findEmotes } from './chat-text.ts';

const anyText = fc.oneof(fc.string({ maxLength: 600 }), fc.string({ unit: 'binary', maxLength: 600 }));

describe('cleanChatText', () => {
	it.each([
		[' hello ', 'hello'],
		['a\r\n\tb\u0000c', 'a b c'],
		['\u202egnirts\u202c', 'gnirts'],
		['e\u0301', 'é'],
		['👩‍💻 ok', '👩‍💻 ok'],
		[`Z${'\u0335'.repeat(50)}algo`, `Z${'\u0335'.repeat(4)}algo`],
		['<script>alert(1)</script>', '<script>alert(1)</script>'],
		['\ud800x', '\ufffdx'],
		['hi\u{e0041}\u{e0042}\u{e007f}', 'hi'],
		[
			'🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
			'🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
		],
	])('makes %j into %j', (text, clean) => expect(cleanChatText(text)).toBe(clean));

	it.each(['', '  \n ', '\u200b\u2060', '\u{e0041}\u{e0042}', '\u3164', '\u202e', 'x'.repeat(501)])(
		'rejects %j',
		(text) => {
			expect(cleanChatText(text)).toBeUndefined();
		},
	);

	it('returns one line without controls, and the same when cleaned again', () => {
		fc.assert(
			fc.property(anyText, (text) => {
				const clean = cleanChatText(text);
				if (clean !== undefined) {
					expect(clean).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
					expect(clean.length).toBeLessThanOrEqual(500);
					expect(cleanChatText(clean)).toBe(clean);
				}
			}),
			{ numRuns: 2000 },
		);
	});
});

describe('findEmotes', () => {
	it('finds whole words with their positions, at most a hundred', () => {
		expect(findEmotes('🎉 SpillGG, SpillGG SpillGGx toString')).toEqual([{ name: 'SpillGG', from: 12, to: 19 }]);
		expect(findEmotes('SpillHi '.repeat(200))).toHaveLength(100);
	});
});

describe('createWordFilter', () => {
	const isBlocked = createWordFilter(['badword', 'ass', 'free money', 'spam*', 'Ärger', '', '*']);

	it.each([
		'a badword here', 'BADWORD', 'b4dw0rd!!', '@badword', 'b@dword', 'b.a.d.w.o.r.d', 'b a d w o r d', 'such a b a d w o r d',
		'baaadworddd', 'bädwörd', 'bаdwоrd', 'ｂａｄｗｏｒｄ', 'bad\u00adword', 'free   money', 'SPAMMER', 'arger', 'ass', '@$s',
	])('blocks %j', (text) => expect(isBlocked(text)).toBe(true)); // prettier-ignore

	it.each([
		'class',
		'as if',
		'glass of water',
		'bad word',
		'money for free',
		'badwords are bad',
		'no spa',
		'hello',
		'',
	])('allows %j', (text) => expect(isBlocked(text)).toBe(false));

	it('accepts any list and any text', () => {
		fc.assert(
			fc.property(fc.array(anyText, { maxLength: 20 }), anyText, (words, text) => {
				expect(typeof createWordFilter(words)(text)).toBe('boolean');
				expect(typeof foldText(text)).toBe('string');
			}),
			{ numRuns: 500 },
		);
	});
});

describe('ChatIds', () => {
	it('increase when the clock stands still or goes back, and after observed ids', () => {
		let nowMs = Date.UTC(2026, 0, 1);
		const clock = Object.assign(new FakeClock(), { nowMs: () => nowMs });
		const [one, two] = [new ChatIds(clock), new ChatIds(clock)];
		const ids = [one.next(), one.next()];
		nowMs -= 5000;
		ids.push(one.next());
		two.observe(ids.at(-1)!);
		ids.push(two.next());
		nowMs += 10_000;
		ids.push(two.next());
		expect([...ids].sort()).toEqual(ids);
		expect(new Set(ids).size).toBe(ids.length);
		expect(ids.every((id) => isChatId(id) && id.length <= 40)).toBe(true);
	});

	it('do not follow a clock that is far ahead, or malformed ids', () => {
		const clock = new FakeClock();
		const ids = new ChatIds(clock);
		const ahead = new ChatIds(new FakeClock(clock.nowMs() + 3_600_000)).next();
		ids.observe(ahead);
		ids.observe('nonsense');
		expect(ids.next() < ahead).toBe(true);
	});
});

describe('nameColor', () => {
	it('is the same for the same id, and readable on white and on near-black', () => {
		for (let index = 0; index < 500; index++) {
			const color = nameColor(`user-${index}`);
			expect(color).toBe(nameColor(`user-${index}`));
			const parts = [1, 3, 5].map((from) => parseInt(color.slice(from, from + 2), 16) / 255);
			const light = luminance(parts as [number, number, number]);
			expect(1.05 / (light + 0.05)).toBeGreaterThan(4);
			expect((light + 0.05) / (luminance([0.06, 0.06, 0.07]) + 0.05)).toBeGreaterThan(4);
		}
	});
});
