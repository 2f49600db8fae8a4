/** `/healthz`: the process runs. `/readyz`: it can serve newcomers, with a reason for each part that cannot. */
import type { FastifyInstance } from 'fastify';
import { withDeadline, type Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';

/** The check of one part of the server. */
export type ReadinessCheck = {
	/** Resolves to a sentence when the part is degraded; rejects when it fails. Over 2 s counts as a failure. */
	check: () => Promise<string | void> | string | void;
	/** Newcomers cannot be served without the part. The failure of an optional part is only shown. */
	isRequired: boolean;
};

/** @internal for tests */
export type HealthRoutesOptions = {
	clock: Clock;
	/** By the name of the part, such as `database`, `bus` or `workers`. */
	checks: Readonly<Record<string, ReadinessCheck>>;
	/** True from the first stop signal on. */
	isStopping: () => boolean;
};

/** Longest wait for one check: load balancers poll every few seconds and give up after about three. */
const CHECK_DEADLINE_MS = 2000;
/** An answer is reused for this long, because any client may ask and the checks write to database and disk. */
const ROUND_LIFE_MS = 1000;

/** `degraded`: works, but an operator should look at it. */
type ReadinessStatus = 'ok' | 'degraded' | 'error';
type CheckResult = { status: ReadinessStatus; detail?: string };
/** Body of `/readyz`. The status is the worst of all checks. */
type Readiness = { status: ReadinessStatus; checks: Record<string, CheckResult> };

/**
 * `/healthz` answers 200 as long as the event loop runs, so that a streaming server is not restarted because its
 * database is away. `/readyz` answers 200, even when degraded, and 503 while the server cannot serve newcomers.
 */
export function registerHealthRoutes(server: FastifyInstance, options: HealthRoutesOptions): void {
	// Concurrent requests share one round of checks.
	let round: { beganAtMs: number; results: Promise<Record<string, CheckResult>> } | undefined;

	server.get('/healthz', (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }));

	server.get('/readyz', async (_request, reply) => {
		const nowMs = options.clock.monotonicMs();
		if (round === undefined || nowMs - round.beganAtMs >= ROUND_LIFE_MS) {
			round = { beganAtMs: nowMs, results: runChecks(options) };
		}
		const readiness = summarize({ ...(await round.results), server: serverResult(options.isStopping()) });
		return reply
			.code(readiness.status === 'error' ? 503 : 200)
			.header('cache-control', 'no-store')
			.send(readiness);
	});
}

async function runChecks({ clock, checks }: HealthRoutesOptions): Promise<Record<string, CheckResult>> {
	const results = await Promise.all(
		Object.entries(checks).map(async ([name, { check, isRequired }]): Promise<[string, CheckResult]> => {
			try {
				const answer = Promise.resolve().then(check);
				const trouble = await withDeadline(clock, answer, CHECK_DEADLINE_MS, () => new Error('no answer in time'));
				return [name, typeof trouble === 'string' ? { status: 'degraded', detail: trouble } : { status: 'ok' }];
			} catch (error) {
				// Messages of SpillwayError are public; any other may contain an address or a password.
				const detail = error instanceof SpillwayError ? error.message : 'It does not work; the log says why.';
				return [name, { status: isRequired ? 'error' : 'degraded', detail }];
			}
		}),
	);
	return Object.fromEntries(results);
}

function serverResult(isStopping: boolean): CheckResult {
	return isStopping ? { status: 'error', detail: new SpillwayError('SERVER_STOPPING').message } : { status: 'ok' };
}

function summarize(checks: Record<string, CheckResult>): Readiness {
	const statuses = Object.values(checks).map(({ status }) => status);
	const worst = (['error', 'degraded'] as const).find((status) => statuses.includes(status));
	return { status: worst ?? 'ok', checks };
}
