/** Tests of the worker binary that set-up has chosen: it starts, and it is not linked to what makes it slow. */
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

	it.runIf(process.platform === 'linux')('is not linked to NSS, nor to the libsrtp that uses it', () => {
		const output = execFileSync('ldd', [worker], { encoding: 'utf8' });
		// The check below is worth nothing if ldd has found no libraries at all, as in a static binary.
		expect(output).toMatch(/libc\.|libm\.|statically linked/);
		expect(findForbiddenLibraries(output)).toEqual([]);
	});
});

describe('doesWorkerStart', () => {
	it('is false for programs that are none, and for files that are no programs', () => {
		expect(doesWorkerStart('/bin/true')).toBe(false);
		expect(doesWorkerStart('/missing')).toBe(false);
		expect(doesWorkerStart('/etc/passwd')).toBe(false);
	});
});
