/** Tests of IRC lines: parsed, formatted, and with untrusted input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatIrcMessage, parseIrcMessage } from './irc-message.ts';

describe('parseIrcMessage', () => {
	it.each([
		['PING', { tags: {}, prefix: undefined, command: 'PING', params: [] }],
		['privmsg #a :hello  world', { tags: {}, prefix: undefined, command: 'PRIVMSG', params: ['#a', 'hello  world'] }],
		[
			'@id=1;flag;x=a\\:b\\sc\\\\d\\ :nick!u@h PRIVMSG #a ::)',
			{ tags: { id: '1', flag: '', x: 'a;b c\\d' }, prefix: 'nick!u@h', command: 'PRIVMSG', params: ['#a', ':)'] },
		],
		[':srv 001 me :', { tags: {}, prefix: 'srv', command: '001', params: ['me', ''] }],
		['CAP REQ :a b', { tags: {}, prefix: undefined, command: 'CAP', params: ['REQ', 'a b'] }],
		['JOIN   #a', { tags: {}, prefix: undefined, command: 'JOIN', params: ['#a'] }],
		['@__proto__=x PING', { tags: { ['__proto__']: 'x' }, prefix: undefined, command: 'PING', params: [] }],
	])('parses %j', (line, expected) => {
		const parsed = parseIrcMessage(line)!;
		expect({ ...parsed, tags: Object.entries(parsed.tags) }).toEqual({
			...expected,
			tags: Object.entries(expected.tags),
		});
	});

	it.each(['', ' ', ':', ': PING', '@', '@a=b', ':x', '12 x', '1234', 'PI\u0000NG', 'PRIVMSG #a :x\rQUIT', `PING ${'x'.repeat(3000)}`])(
		'rejects %j',
		(line) => expect(parseIrcMessage(line)).toBeUndefined(),
	); // prettier-ignore

	it('survives any text, with bounded parameters', () => {
		fc.assert(
			fc.property(
				fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[@:; =\\a-z#]{0,80}$/)),
				(line) => {
					const parsed = parseIrcMessage(line);
					expect(parsed === undefined || parsed.params.length <= 15).toBe(true);
				},
			),
			{ numRuns: 2000 },
		);
	});
});

describe('formatIrcMessage', () => {
	const word = fc.stringMatching(/^[a-zA-Z0-9#!@._-]{1,12}$/);
	const message = fc.record({
		// prettier-ignore
		tags: fc.dictionary(fc.stringMatching(/^[a-z-]{1,10}$/), fc.string().map((text) => text.replace(/\u0000/g, '')), { maxKeys: 5 }),
		prefix: fc.option(word, { nil: undefined }),
		command: fc.constantFrom('PRIVMSG', 'NOTICE', '001', 'CLEARCHAT'),
		params: fc.array(word, { maxLength: 5 }),
		// prettier-ignore
		trailing: fc.option(fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\u0000\r\n]/g, '_')), { nil: undefined }),
	});

	it('is the inverse of the parser', () => {
		fc.assert(
			fc.property(message, ({ trailing, ...written }) => {
				const read = parseIrcMessage(formatIrcMessage(trailing === undefined ? written : { ...written, trailing }))!;
				const params = [...written.params, ...(trailing === undefined ? [] : [trailing])];
				expect({ ...read, tags: { ...read.tags } }).toEqual({ ...written, params, tags: { ...written.tags } });
			}),
			{ numRuns: 1000 },
		);
	});

	it('writes any text with a colon, as Twitch does', () => {
		fc.assert(
			fc.property(fc.string(), (trailing) => {
				expect(formatIrcMessage({ command: 'PRIVMSG', params: ['#a'], trailing })).toMatch(/^PRIVMSG #a :/);
			}),
		);
	});

	it('keeps every parameter separate', () => {
		fc.assert(
			fc.property(fc.string({ unit: 'binary' }), (param) => {
				expect(parseIrcMessage(formatIrcMessage({ command: 'JOIN', params: [param, 'x'] }))!.params).toHaveLength(2);
			}),
		);
	});

	it('never writes more than one line', () => {
		fc.assert(
			fc.property(fc.string(), fc.string(), (tag, text) => {
				const line = formatIrcMessage({
					tags: { tag },
					command: 'PRIVMSG',
					params: [`#a\r\n${text}`],
					trailing: `\r\nQUIT ${text}\n`,
				});
				expect(line).not.toMatch(/[\r\n\u0000]/);
			}),
		);
	});
});
