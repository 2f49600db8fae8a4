/** What a server costs: idle, and with one broadcast on air that nobody watches. Cores and memory of each process. */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { type ProcessReading, readProcessTree } from './measure/process-cpu.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, say, withServer } from './bench-options.ts';

/** How long to wait before measuring, and how long to measure. */
type OnAirTimes = { settleMs: number; durationMs: number };

/** Of one process. Memory is its share: pages that processes have in common are divided among them. */
type ProcessCost = { name: string; cores: number; mebibytes: number | undefined };

type CostReading = {
	/** "idle", or the kind of publisher. */
	what: 'idle' | PublisherKind;
	processes: ProcessCost[];
	watch: SelfWatchResult;
};

export const onAir: BenchCommand = {
	summary: 'CPU and memory of each process: idle, then with one broadcast and no viewer',
	run: async (options) => {
		const { publishers, settings, settleMs, durationMs } = options;
		const readings: CostReading[] = [];
		for (const publisher of [undefined, ...publishers]) {
			const reading = await withServer(options, (server) =>
				measureOnAir(server, { publisher, settings, settleMs, durationMs }),
			);
			readings.push(reading);
			say(formatCosts([reading]));
		}
		return { result: { settings, settleMs, durationMs, readings }, markdown: formatCosts(readings) };
	},
};

/** Without a publisher the server is idle. */
async function measureOnAir(
	server: ServerUnderTest,
	options: OnAirTimes & { publisher: PublisherKind | undefined; settings: EncoderSettings },
): Promise<CostReading> {
	const { publisher } = options;
	return publisher === undefined
		? measure(server, 'idle', options)
		: withPublisher(server, { ...options, publisher }, () => measure(server, publisher, options));
}

async function measure(
	{ pid }: ServerUnderTest,
	what: CostReading['what'],
	{ settleMs, durationMs }: OnAirTimes,
): Promise<CostReading> {
	if (pid === undefined) {
		throw new TypeError('The processes of a foreign server are not known; leave --server out.');
	}
	await sleep(systemClock, settleMs);
	const watch = watchSelf();
	const before = readProcessTree(pid);
	const startedAtMs = systemClock.monotonicMs();
	await sleep(systemClock, durationMs);
	const after = readProcessTree(pid);
	const tookSeconds = (systemClock.monotonicMs() - startedAtMs) / 1000;
	return { what, processes: costs(before, after, tookSeconds), watch: watch() };
}

function costs(
	before: ReadonlyMap<number, ProcessReading>,
	after: ReadonlyMap<number, ProcessReading>,
	tookSeconds: number,
): ProcessCost[] {
	return [...after].map(([pid, { name, cpuSeconds, pssBytes }]) => ({
		name,
		cores: (cpuSeconds - (before.get(pid)?.cpuSeconds ?? 0)) / tookSeconds,
		mebibytes: pssBytes === undefined ? undefined : pssBytes / 2 ** 20,
	}));
}

function formatCosts(readings: readonly CostReading[]): string {
	const rows = readings.flatMap(({ what, processes, watch: { voidReasons } }) => {
		const total: ProcessCost = {
			name: 'all',
			cores: processes.reduce((sum, { cores }) => sum + cores, 0),
			mebibytes: processes.reduce<number | undefined>(
				(sum, { mebibytes }) => (sum === undefined || mebibytes === undefined ? undefined : sum + mebibytes),
				0,
			),
		};
		return [...processes, total].map(({ name, cores, mebibytes }) => [
			what,
			name,
			figure(cores, 4),
			figure(mebibytes),
			voidReasons.join(', '),
		]);
	});
	return markdownTable(['server', 'process', 'cores', 'memory (PSS), MiB', 'void because'], rows);
}
