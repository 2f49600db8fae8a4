/** Tests of the sources of the mediasoup worker and their order. */
import { describe, expect, it } from 'vitest';
import { createWorkerSources, findFirstWorker, isPrebuiltLikely } from './ensure-mediasoup-worker.mjs';
import { SetupError } from './setup-error.mjs';

/** @param {NodeJS.ProcessEnv} environment @returns {any} */
const contextWith = (environment) => ({ projectFolder: '/missing', cacheFolder: '/missing', environment });
const NODE = { executable: process.execPath, version: process.version };

describe('createWorkerSources', () => {
	it("lists the user's choice, the cache, the download and the build, in this order", () => {
		const sources = createWorkerSources(contextWith({}), NODE);
		expect(sources.map(({ name }) => name)).toEqual([
			'environment',
			'cached build',
			'cached prebuilt',
			'prebuilt',
			'source build',
		]);
	});

	it('rejects a chosen worker that does not exist', () => {
		const context = contextWith({ MEDIASOUP_WORKER_BIN: '/missing/mediasoup-worker' });
		const [chosen] = createWorkerSources(context, NODE);
		expect(() => chosen?.find()).toThrow(SetupError);
		expect(() => chosen?.find()).toThrow('/missing/mediasoup-worker');
	});
});

describe('findFirstWorker', () => {
	it('stops at the first source that has one', async () => {
		/** @type {string[]} */
		const asked = [];
		/** @param {any} name @param {string | undefined} file */
		const source = (name, file) => ({
			name,
			find: async () => {
				asked.push(name);
				return file;
			},
		});
		const found = await findFirstWorker([source('a', undefined), source('b', '/worker'), source('c', '/other')]);
		expect(found).toBe('/worker');
		expect(asked).toEqual(['a', 'b']);
	});

	it('throws an error with advice when no source has one', async () => {
		const error = await findFirstWorker([]).catch((thrown) => thrown);
		expect(error).toBeInstanceOf(SetupError);
		expect(error.whatToDo.join(' ')).toContain('MEDIASOUP_WORKER_BIN');
	});
});

describe('isPrebuiltLikely', () => {
	it.each([
		['Linux with glibc', { platform: 'linux', arch: 'x64', isGlibc: true }, true],
		['Linux with another C library', { platform: 'linux', arch: 'x64', isGlibc: false }, false],
		['Linux on an architecture without one', { platform: 'linux', arch: 'riscv64', isGlibc: true }, false],
		['macOS', { platform: 'darwin', arch: 'arm64', isGlibc: false }, true],
		['FreeBSD', { platform: 'freebsd', arch: 'x64', isGlibc: false }, false],
	])('on %s', (_title, facts, expected) => {
		expect(isPrebuiltLikely({ ...facts, environment: {} })).toBe(expected);
	});

	it("is false when mediasoup's variable disables it", () => {
		const environment = { MEDIASOUP_SKIP_WORKER_PREBUILT_DOWNLOAD: 'true' };
		expect(isPrebuiltLikely({ platform: 'linux', arch: 'x64', isGlibc: true, environment })).toBe(false);
	});
});
