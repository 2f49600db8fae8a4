/** Tests of the worker binary that set-up has chosen: it starts, and is not linked to slow libraries. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { findForbiddenLibraries } from './build-worker/build-worker.mjs';
import { doesWorkerStart } from './ensure-mediasoup-worker.mjs';

const worker = process.env['MEDIASOUP_WORKER_BIN'] ?? '';

describe('the mediasoup worker', () => {
	it('is named by MEDIASOUP_WORKER_BIN and starts', () => {
		expect(worker, 'run the tests through npm, which sets this').toBeTruthy();
		expect(doesWorkerStart(worker)).toBe(true);
	});

	it.runIf(process.platform === 'linux')('is linked neither to NSS nor to a libsrtp that uses it', () => {
		const output = execFileSync('ldd', [worker], { encoding: 'utf8' });
		// Without this, the check below passes when ldd finds no libraries.
		expect(output).toMatch(/libc\.|libm\.|statically linked/);
		expect(findForbiddenLibraries(output)).toEqual([]);
	});
});

describe('doesWorkerStart', () => {
	it.each(['/bin/true', '/missing', '/etc/passwd'])('is false for %s', (file) => {
		expect(doesWorkerStart(file)).toBe(false);
	});
});
