/** Tests of finding the stream key in a WHIP request. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findWhipKeys, type WhipKeySources } from './whip-key.ts';

const find = (sources: Partial<WhipKeySources>): string[] =>
	findWhipKeys({ authorization: undefined, query: {}, ...sources }).candidates;
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

describe('findWhipKeys', () => {
	it.each([
		['Bearer', 'Bearer secret'],
		['another case', 'bEARER secret'],
		['blanks', '  Bearer   secret  '],
		['the word twice', 'Bearer Bearer secret'],
		['a colon behind the word', 'Bearer: secret'],
		['a colon without a blank', 'bearer:secret'],
		['another word', 'Token secret'],
		['no scheme', 'secret'],
		['quotes', 'Bearer "secret"'],
		['Basic, the key as password alone', basic(':secret')],
		['Basic, the key as user', basic('secret:')],
		['Basic without a colon', basic('secret')],
	])('finds it in the header with %s', (_name, authorization) => {
		expect(findWhipKeys({ authorization, query: {} })).toEqual({ candidates: ['secret'], isInHeader: true });
	});

	it('tries the password of Basic before the user', () => {
		expect(find({ authorization: basic('user:secret:with-colon') })).toEqual(['secret:with-colon', 'user']);
	});

	it.each(['key', 'token', 'stream_key', 'streamKey', 'STREAMKEY', 'access_token', 'bearer-token'])(
		'finds it in the query as %s',
		(name) => {
			expect(findWhipKeys({ authorization: undefined, query: { other: 'x', [name]: 'secret ' } })).toEqual({
				candidates: ['secret'],
				isInHeader: false,
			});
		},
	);

	it('finds it in the path, the last part first', () => {
		expect(find({ pathParts: ['secret'] })).toEqual(['secret']);
		expect(find({ pathParts: ['live', 'secret'] })).toEqual(['secret']);
		expect(find({ pathParts: ['demo', 'secret'] })).toEqual(['secret', 'demo']);
	});

	it('goes from header to query to path, and tries three at most, each once', () => {
		const query = { key: ['b', 'a', 'c'] };
		expect(find({ authorization: 'a', query, pathParts: ['d'] })).toEqual(['a', 'b', 'c']);
	});

	it.each([
		...['', 'Bearer', 'Bearer ', 'Bearer: ', 'token', 'basic', basic(''), basic(':')],
		...[`Bearer ${'x'.repeat(600)}`, 'Bearer sch\u00e4n'],
	])('finds nothing in "%s"', (authorization) => {
		expect(find({ authorization })).toEqual([]);
	});

	it('gives at most three printable words, for any input', () => {
		const text = fc.oneof(
			fc.string(),
			fc.string().map(basic),
			fc.string().map((key) => `Bearer ${key}`),
		);
		fc.assert(
			fc.property(
				text,
				fc.dictionary(fc.constantFrom('key', 'token', 'x'), fc.anything()),
				fc.array(text),
				(...all) => {
					const [authorization, query, pathParts] = all;
					const keys = find({ authorization, query, pathParts });
					expect(keys.length).toBeLessThanOrEqual(3);
					expect(keys.join('')).toMatch(/^[\x21-\x7e]*$/);
				},
			),
			{ numRuns: 200 },
		);
	});
});
