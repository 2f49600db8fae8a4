/** Names of files in Content-Disposition: harmless for every header parser, and whole for those that know them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentDisposition } from './send-object.ts';

describe('contentDisposition', () => {
	it.each([
		['Goal.mp4', `attachment; filename="Goal.mp4"; filename*=UTF-8''Goal.mp4`],
		['Olé 1:0.mp4', `attachment; filename="Ole_ 1_0.mp4"; filename*=UTF-8''Ol%C3%A9%201%3A0.mp4`],
		[
			'../"x"\r\nset-cookie: a',
			`attachment; filename="_x_set-cookie_ a"; filename*=UTF-8''..%2F%22x%22%0D%0Aset-cookie%3A%20a`,
		],
		["it's (1)*.mp4", `attachment; filename="it_s _1_.mp4"; filename*=UTF-8''it%27s%20%281%29%2A.mp4`],
		['目.mp4', `attachment; filename="_.mp4"; filename*=UTF-8''%E7%9B%AE.mp4`],
	])('has %j as %s', (name, header) => {
		expect(contentDisposition(name)).toBe(header);
	});

	it('is one header with two names, whatever the title, and gives the whole name back', () => {
		fc.assert(
			fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (name) => {
				const parts = /^attachment; filename="([A-Za-z0-9 ._-]*)"; filename\*=UTF-8''([A-Za-z0-9%!~._-]*)$/.exec(
					contentDisposition(name),
				);
				expect(parts).not.toBeNull();
				expect(parts![1]).not.toMatch(/^[. ]/);
				expect(decodeURIComponent(parts![2]!)).toBe(name.toWellFormed());
			}),
		);
	});
});
