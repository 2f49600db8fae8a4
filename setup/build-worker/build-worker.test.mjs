/** Tests of the pure parts of the worker's build. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findForbiddenLibraries, formatWorkerCacheKey, hashBuildRecipe, parseNinjaProgress } from './build-worker.mjs';
import { applyPatch } from './source-patches.mjs';

const OVERLAY_FOLDER = fileURLToPath(new URL('./subprojects', import.meta.url));

const FACTS = {
	mediasoupVersion: '3.27.1',
	recipeHash: '0123456789abcdef0123',
	platform: 'linux',
	arch: 'x64',
	osRelease: { id: 'debian', idLike: [], versionId: '12', versionCodename: 'bookworm' },
};

describe('formatWorkerCacheKey', () => {
	it('names version, platform, distribution and recipe', () => {
		expect(formatWorkerCacheKey(FACTS)).toBe('3.27.1-linux-x64-debian12-0123456789abcdef');
	});

	it.each([
		['the version of mediasoup', { mediasoupVersion: '3.28.0' }],
		['the architecture', { arch: 'arm64' }],
		[
			'the distribution, to whose libraries the worker is linked',
			{ osRelease: { ...FACTS.osRelease, versionId: '13' } },
		],
		['the recipe', { recipeHash: 'fedcba9876543210' }],
	])('changes with %s', (_title, change) => {
		expect(formatWorkerCacheKey({ ...FACTS, ...change })).not.toBe(formatWorkerCacheKey(FACTS));
	});

	it('is a file name for any name of the distribution', () => {
		const osRelease = { ...FACTS.osRelease, id: '../x', versionId: '1/2' };
		expect(formatWorkerCacheKey({ ...FACTS, osRelease })).not.toContain('/');
	});
});

describe('hashBuildRecipe', () => {
	it('changes with every file of the overlay', () => {
		const folder = mkdtempSync(path.join(os.tmpdir(), 'spillway-overlay-test-'));
		try {
			cpSync(OVERLAY_FOLDER, folder, { recursive: true });
			expect(hashBuildRecipe(folder)).toBe(hashBuildRecipe());
			writeFileSync(path.join(folder, 'libsrtp3', 'include', 'srtp.h'), '// changed\n');
			expect(hashBuildRecipe(folder)).not.toBe(hashBuildRecipe());
		} finally {
			rmSync(folder, { recursive: true });
		}
	});
});

describe('applyPatch', () => {
	it.each([
		['a b c', 'a x$& c'],
		['a c', undefined],
		['b b', undefined],
	])('of %j is %j: it replaces a text that occurs exactly once', (text, expected) => {
		expect(applyPatch(text, { from: 'b', to: 'x$&' })).toBe(expected);
	});
});

describe('parseNinjaProgress', () => {
	it.each([
		['[17/279] Compiling C++ object a.o', '17/279'],
		["ninja: Entering directory `build'", undefined],
		['a.cpp:1: warning: [17/279] is odd', undefined],
	])('of %j is %j', (line, expected) => {
		expect(parseNinjaProgress(line)).toBe(expected);
	});
});

describe('findForbiddenLibraries', () => {
	it('finds NSS and a shared libsrtp, and not OpenSSL or the C library', () => {
		const output = `	linux-vdso.so.1 (0x00007f)
	libsrtp2.so.1 => /lib/libsrtp2.so.1 (0x00007f)
	libnss3.so => /lib/libnss3.so (0x00007f)
	libnspr4.so => /lib/libnspr4.so (0x00007f)
	libssl.so.3 => /lib/libssl.so.3 (0x00007f)
	libnss_files.so.2 => /lib/libnss_files.so.2 (0x00007f)
	libc.so.6 => /lib/libc.so.6 (0x00007f)
`;
		expect(findForbiddenLibraries(output)).toEqual(['libsrtp2.so.1', 'libnss3.so', 'libnspr4.so']);
	});
});
