/** `/healthz`: the process lives. `/readyz`: it can serve newcomers, with a reason for each part that cannot. */
import type { FastifyInstance } from 'fastify';
import { withDeadline, type Clock } from '../../core/clock.ts';
import { SpillwayError } from '../../core/errors.ts';
import { refuseOtherMethods } from '../http/error-handler.ts';

/** Resolves when the part works, else rejects. Takes at most 2 s; longer counts as not working. */
export type ReadinessCheck = () => Promise<void>;

/** What {@link registerHealthRoutes} needs. */
export type HealthRoutesOptions = {
	clock: Clock;
	/** Name of the part, such as `database`, `bus` or `workers` → its check. */
	checks: Readonly<Record<string, ReadinessCheck>>;
	/** True from the first signal to stop on. */
	isStopping: () => boolean;
};

/** Longest wait for one check: load balancers ask every few seconds and give up after about three. */
const CHECK_DEADLINE_MS = 2000;

/** Body of `/readyz`. */
type Readiness = { status: 'ok' | 'error'; checks: Record<string, { status: 'ok' | 'error'; detail?: string }> };

/**
 * `/healthz` answers 200 as long as the event loop turns, whatever else is broken, so that nobody restarts a server that
 * streams because its database is away. `/readyz` answers 200, or 503 while a part is broken or the server is stopping.
 */
export function registerHealthRoutes(server: FastifyInstance, options: HealthRoutesOptions): void {
	// Several balancers asking at once share one round of checks.
	let running: Promise<Readiness> | undefined;

	server.get('/healthz', (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }));
	refuseOtherMethods(server, '/healthz', ['GET']);

	server.get('/readyz', async (_request, reply) => {
		running ??= checkReadiness(options).finally(() => (running = undefined));
		const readiness = await running;
		return reply
			.code(readiness.status === 'ok' ? 200 : 503)
			.header('cache-control', 'no-store')
			.send(readiness);
	});
	refuseOtherMethods(server, '/readyz', ['GET']);
}

async function checkReadiness({ clock, checks, isStopping }: HealthRoutesOptions): Promise<Readiness> {
	const results = await Promise.all(
		Object.entries(checks).map(async ([name, check]) => {
			try {
				const answer = Promise.resolve().then(check);
				await withDeadline(clock, answer, CHECK_DEADLINE_MS, () => new Error('no answer in time'));
				return [name, { status: 'ok' }] as const;
			} catch (error) {
				// Messages of ours are made for strangers; any other may hold an address or a password.
				const detail = error instanceof SpillwayError ? error.message : 'It does not work; the log says why.';
				return [name, { status: 'error', detail }] as const;
			}
		}),
	);
	if (isStopping()) {
		results.push(['server', { status: 'error', detail: new SpillwayError('SERVER_STOPPING').message }] as const);
	} else {
		results.push(['server', { status: 'ok' }] as const);
	}
	const isReady = results.every(([, result]) => result.status === 'ok');
	return { status: isReady ? 'ok' : 'error', checks: Object.fromEntries(results) };
}
