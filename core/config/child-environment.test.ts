/** Tests of the environment of child programs. */
import { expect, it } from 'vitest';
import { childEnvironment, withChildEnvironment } from './child-environment.ts';

it('keeps paths and the variables of mediasoup, and nothing that can be a secret', () => {
	const environment = {
		PATH: '/bin',
		LD_LIBRARY_PATH: '/lib',
		MEDIASOUP_USE_VALGRIND: 'true',
		SPILLWAY_DEMO_STREAM_KEY: 'sesame',
		DATABASE_URL: 'postgres://user:sesame@host',
		PGPASSWORD: 'sesame',
		AWS_SECRET_ACCESS_KEY: 'sesame',
		NODE_OPTIONS: '--require ./x.js',
		anything: 'sesame',
	};
	expect(childEnvironment(environment)).toEqual({
		PATH: '/bin',
		LD_LIBRARY_PATH: '/lib',
		MEDIASOUP_USE_VALGRIND: 'true',
	});
});

it('hides the rest only while a program starts, also when that fails', () => {
	process.env['SPILLWAY_TEST_SECRET'] = 'sesame';
	try {
		const seen = withChildEnvironment(() => ({ ...process.env }));
		expect(seen).not.toHaveProperty('SPILLWAY_TEST_SECRET');
		expect(seen['PATH']).toBe(process.env['PATH']);
		expect(process.env['SPILLWAY_TEST_SECRET']).toBe('sesame');
		expect(() =>
			withChildEnvironment(() => {
				throw new Error('no such program');
			}),
		).toThrow('no such program');
		expect(process.env['SPILLWAY_TEST_SECRET']).toBe('sesame');
	} finally {
		delete process.env['SPILLWAY_TEST_SECRET'];
	}
});
