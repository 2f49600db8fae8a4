/** Tests of the Node versions that run the product. */
import { describe, expect, it } from 'vitest';
import { PINNED_NODE_VERSION, isNodeVersionSuitable } from './ensure-node.mjs';

describe('isNodeVersionSuitable', () => {
	it.each([
		['v20.20.2', false],
		['v22.17.1', false],
		['v22.18.0', true],
		['v22.100.0', true],
		['v23.5.0', false],
		['v23.6.0', true],
		['v24.0.0', true],
		['24.21.0', true],
		['v100.0.0', true],
		['', false],
		['deno 2.0.0', false],
	])('%s: %s', (version, expected) => {
		expect(isNodeVersionSuitable(version)).toBe(expected);
	});

	it('is true for the pinned version', () => {
		expect(isNodeVersionSuitable(PINNED_NODE_VERSION)).toBe(true);
	});
});
