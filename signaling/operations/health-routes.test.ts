/** Tests of health and readiness. */
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { silentLogger } from '../../core/logger.ts';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { registerErrorHandler } from '../platform/http/error-handler.ts';
import { registerHealthRoutes, type HealthRoutesOptions } from './health-routes.ts';

describe('registerHealthRoutes', () => {
	let clock: FakeClock;
	let server: FastifyInstance;
	let isStopping: boolean;
	let checkCount: number;
	let checkBus: () => Promise<void>;
	let checkEncoders: () => Promise<string | void>;

	beforeEach(() => {
		clock = new FakeClock();
		isStopping = false;
		checkCount = 0;
		checkBus = () => Promise.resolve();
		checkEncoders = () => Promise.resolve();
		server = fastify();
		registerErrorHandler(server, silentLogger);
		const options: HealthRoutesOptions = {
			clock,
			isStopping: () => isStopping,
			checks: {
				database: {
					isRequired: true,
					check: () => {
						checkCount++;
						return Promise.resolve();
					},
				},
				bus: { isRequired: true, check: () => checkBus() },
				encoders: { isRequired: false, check: () => checkEncoders() },
			},
		};
		void server.register(answerOtherMethods(async (scope) => registerHealthRoutes(scope, options)));
	});

	afterEach(async () => {
		await server.close();
		expect(clock.pendingCount).toBe(0);
	});

	it('answers 200 when every check passes', async () => {
		expect((await server.inject('/healthz')).json()).toEqual({ status: 'ok' });
		const answer = await server.inject('/readyz');
		expect(answer.statusCode).toBe(200);
		expect(answer.headers['cache-control']).toBe('no-store');
		const ok = { status: 'ok' };
		expect(answer.json()).toEqual({ status: 'ok', checks: { database: ok, bus: ok, encoders: ok, server: ok } });
	});

	it.each([
		[
			'rejects',
			() => Promise.reject(new SpillwayError('BUS_UNAVAILABLE')),
			'The message bus does not answer. Try again in a moment.',
		],
		['throws a password', () => Promise.reject(new Error('sesame')), 'It does not work; the log says why.'],
		[
			'throws at once',
			() => {
				throw new Error('sesame');
			},
			'It does not work; the log says why.',
		],
	])('is healthy but not ready when a check %s', async (_what, check, detail) => {
		checkBus = check;
		const answer = await server.inject('/readyz');
		expect(answer.statusCode).toBe(503);
		expect(answer.json()).toMatchObject({
			status: 'error',
			checks: { database: { status: 'ok' }, bus: { status: 'error', detail } },
		});
		expect(answer.body).not.toContain('sesame');
		expect((await server.inject('/healthz')).statusCode).toBe(200);
	});

	it('does not wait for a check that hangs, and starts no second round meanwhile', async () => {
		checkBus = () => new Promise(() => undefined);
		const answers = Promise.all([server.inject('/readyz'), server.inject('/readyz')]);
		await new Promise((resolve) => setImmediate(resolve));
		await new Promise((resolve) => setImmediate(resolve));
		await clock.advance(2000);
		expect((await answers).map((answer) => answer.statusCode)).toEqual([503, 503]);
		expect(checkCount).toBe(1);
	});

	it.each([
		['reports a problem', () => Promise.resolve('An encoder keeps failing.'), 'An encoder keeps failing.'],
		['fails', () => Promise.reject(new Error('sesame')), 'It does not work; the log says why.'],
	])('is ready but degraded when an optional part %s', async (_what, check, detail) => {
		checkEncoders = check;
		const answer = await server.inject('/readyz');
		expect(answer.statusCode).toBe(200);
		expect(answer.json()).toMatchObject({ status: 'degraded', checks: { encoders: { status: 'degraded', detail } } });
		expect(answer.body).not.toContain('sesame');
	});

	it('is not ready when a required part is broken and another is degraded', async () => {
		checkEncoders = () => Promise.resolve('An encoder keeps failing.');
		checkBus = () => Promise.reject(new SpillwayError('BUS_UNAVAILABLE'));
		const answer = await server.inject('/readyz');
		expect([answer.statusCode, answer.json<{ status: string }>().status]).toEqual([503, 'error']);
	});

	it('checks at most once a second, but reports a stop at once', async () => {
		for (let index = 0; index < 20; index++) {
			await server.inject('/readyz');
		}
		expect(checkCount).toBe(1);
		isStopping = true;
		expect((await server.inject('/readyz')).statusCode).toBe(503);
		expect(checkCount).toBe(1);
		await clock.advance(1000);
		await server.inject('/readyz');
		expect(checkCount).toBe(2);
	});

	it('is healthy but not ready while the server stops', async () => {
		isStopping = true;
		const answer = await server.inject('/readyz');
		expect([answer.statusCode, answer.json<{ checks: { server: unknown } }>().checks.server]).toEqual([
			503,
			{ status: 'error', detail: 'The server is stopping. Try again in a moment.' },
		]);
		expect((await server.inject('/healthz')).statusCode).toBe(200);
	});

	it('refuses other methods', async () => {
		for (const url of ['/healthz', '/readyz']) {
			const answer = await server.inject({ method: 'POST', url });
			expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
		}
	});
});
