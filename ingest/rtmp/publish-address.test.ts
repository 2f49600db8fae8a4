/** Tests of publish-address.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findStreamKey } from './publish-address.ts';

describe('findStreamKey', () => {
	it.each([
		['live', 'KEY', 'KEY'],
		['live', ' KEY\r\n', 'KEY'],
		['live', '/KEY', 'KEY'],
		['live', 'KEY?x=1', 'KEY'],
		['live', 'anything?key=KEY', 'KEY'],
		['live', '?key=KEY', 'KEY'],
		['live?key=KEY', 'anything', 'KEY'],
		['live/KEY', '', 'KEY'],
		['live/KEY/', '', 'KEY'],
		['', 'live/KEY', 'KEY'],
		['/live/', 'KEY', 'KEY'],
		['live', '', undefined],
		['', '', undefined],
		['live?key=', '', undefined],
		['live', 'x'.repeat(257), undefined],
	])('app %j, name %j → %j', (app, name, key) => {
		expect(findStreamKey(app, name)).toBe(key);
	});

	it('never throws, and finds nothing that is empty or padded', () => {
		fc.assert(
			fc.property(fc.string(), fc.string(), (app, name) => {
				const key = findStreamKey(app, name);
				expect(key === undefined || (key.length > 0 && key === (key.trim() as typeof key))).toBe(true);
			}),
		);
	});
});
