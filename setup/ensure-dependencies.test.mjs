/** Tests of the check whether node_modules is current. */
import { describe, expect, it } from 'vitest';
import { formatStamp, isInstalledByHand } from './ensure-dependencies.mjs';

const LOCK = JSON.stringify({
	packages: {
		'': { name: 'spillway' },
		'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
		'node_modules/a/node_modules/b': { version: '2.0.0', integrity: 'sha512-b' },
		'node_modules/other-platform': { version: '1.0.0', integrity: 'sha512-o', optional: true },
	},
});

/** @param {(packages: any) => unknown} [change] */
const installedWith = (change) => {
	const { packages } = JSON.parse(LOCK);
	delete packages[''];
	delete packages['node_modules/other-platform'];
	change?.(packages);
	return JSON.stringify({ packages });
};

describe('formatStamp', () => {
	const stamp = formatStamp(LOCK, 'v24.21.0', 'linux-x64');

	it('is the same for the same lock file, Node line and platform', () => {
		expect(formatStamp(LOCK, 'v24.1.0', 'linux-x64')).toBe(stamp);
	});

	it.each([
		['the lock file', formatStamp(`${LOCK} `, 'v24.21.0', 'linux-x64')],
		['the Node line', formatStamp(LOCK, 'v22.18.0', 'linux-x64')],
		['the platform', formatStamp(LOCK, 'v24.21.0', 'linux-arm64')],
	])('changes with %s', (_title, other) => {
		expect(other).not.toBe(stamp);
	});
});

describe('isInstalledByHand', () => {
	it('is true when every package of this platform is installed', () => {
		expect(isInstalledByHand(LOCK, installedWith())).toBe(true);
	});

	it.each([
		['nothing is installed', undefined],
		["npm's file is incomplete", '{"packages":'],
		['a package is missing', installedWith((packages) => delete packages['node_modules/a/node_modules/b'])],
		['a package has another version', installedWith((packages) => (packages['node_modules/a'].version = '1.0.1'))],
		['a package has another content', installedWith((packages) => (packages['node_modules/a'].integrity = 'sha512-x'))],
		['there is one too many', installedWith((packages) => (packages['node_modules/x'] = { version: '1.0.0' }))],
	])('is false when %s', (_title, installed) => {
		expect(isInstalledByHand(LOCK, installed)).toBe(false);
	});
});
