/** Tests of preflights: they allow every header that a player may name, and repeat no other text. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { preflightHeaders, PUBLIC_READ } from './cors.ts';

const token = fc.string({
	unit: fc.constantFrom(..."abcXYZ019!#$%&'*+-.^_`|~"),
	minLength: 1,
	maxLength: 20,
});

describe('preflightHeaders', () => {
	it.each(['authorization', 'cmcd-object,cmcd-request,cmcd-session,cmcd-status', 'Cache-Control, Pragma', 'x-a,x-b'])(
		'allows %s',
		(headers) => {
			expect(preflightHeaders(PUBLIC_READ, headers)['access-control-allow-headers']).toBe(headers);
		},
	);

	it('allows any list of header names, without credentials', () => {
		fc.assert(
			fc.property(fc.array(token, { minLength: 1, maxLength: 20 }), (names) => {
				const headers = preflightHeaders(PUBLIC_READ, names.join(', '));
				expect(headers['access-control-allow-headers']).toBe(names.join(', '));
				expect(headers['access-control-allow-origin']).toBe('*');
				expect(headers).not.toHaveProperty('access-control-allow-credentials');
			}),
		);
	});

	it.each([undefined, '', 'a\r\nset-cookie: b', 'a:b', 'é', 'x'.repeat(3000)])('does not repeat %j', (headers) => {
		expect(preflightHeaders(PUBLIC_READ, headers)['access-control-allow-headers']).toBe('Range, Content-Type');
	});
});
