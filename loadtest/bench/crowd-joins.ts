/**
 * A crowd that joins over WebRTC at once: the time to each viewer's first whole picture, with the load tester's
 * viewers.
 */
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { HistogramSummary } from '../load/figures/histogram.ts';
import { runLoad } from '../load/load-run.ts';
import { parseLoadOptions, type LoadOptions } from '../load/options.ts';
import { type BenchOptions, say, withServer } from './bench-options.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';

type CrowdRun = {
	publisher: string;
	run: number;
	/** From the offer to the first whole picture, and from the end of the DTLS handshake to it. */
	joinMs: HistogramSummary | undefined;
	pictureMs: HistogramSummary | undefined;
	failedCount: number;
	/** Of the server, in the busiest second of the ramp; and without viewers. */
	rampCores: number | undefined;
	restCores: number | undefined;
	/** Of the machine, its cores busy, from 0 to 1: the handshakes of the viewers need most of it. */
	busyRatio: number | undefined;
};

/** Time that the crowd stays: until all are on the live layer. */
const STAY = '4s';
/** The handshakes are JavaScript, so one process is the bottleneck. */
const PROCESSES = '2';

/** Viewers have payload types of their own, so the first run sets up a pipe, and later ones find it. */
export async function crowdJoins(options: BenchOptions, crowdCount: number) {
	const runs: CrowdRun[] = [];
	await withServer(options, async (server) => {
		for (const publisher of options.publishers) {
			for (let run = 1; run <= options.runCount; run++) {
				runs.push(await runCrowd(options, { crowdCount, publisher, run, server }));
				say(JSON.stringify(runs.at(-1)));
			}
		}
	});
	return { result: { settings: options.settings, crowdCount, rampMs: options.rampMs, runs }, markdown: format(runs) };
}

async function runCrowd(
	{ settings, rampMs }: BenchOptions,
	{
		crowdCount,
		publisher,
		run,
		server,
	}: {
		crowdCount: number;
		publisher: BenchOptions['publishers'][number];
		run: number;
		server: Parameters<Parameters<typeof withServer>[1]>[0];
	},
): Promise<CrowdRun> {
	const { httpUrl, rtmpUrl, streamKey, channel } = server.addresses;
	const protocol = publisher.startsWith('whip') ? 'whip' : 'rtmp';
	const load = parseLoadOptions([
		...['--server', httpUrl, '--rtmp', rtmpUrl, '--key', streamKey, '--channel', channel, '--publish', protocol],
		...['--size', `${settings.widthPixels}x${settings.heightPixels}`, '--bitrate', String(settings.videoBitrateBps)],
		...['--gop', String(settings.gopSeconds), '--webrtc', String(crowdCount), '--ramp', `${rampMs}ms`],
		...['--duration', STAY, '--processes', PROCESSES],
		...(server.pid === undefined ? [] : ['--server-pid', String(server.pid)]),
	]) as LoadOptions;
	const report = await runLoad(systemClock, load, new AbortController().signal, { tick: () => undefined, note: say });
	const cores = report.timeline
		.filter(({ phase }) => phase === 'ramp')
		.map(({ spreads }) => spreads['server.cores']?.p50);
	return {
		publisher: protocol,
		run,
		joinMs: report.spreads['webrtc.join'],
		pictureMs: report.spreads['webrtc.picture'],
		failedCount: report.numbers['webrtc.failed'] ?? 0,
		rampCores: cores.length === 0 ? undefined : Math.max(...cores.map((value) => value ?? 0)),
		restCores: report.baseline['server.cores']?.mean,
		busyRatio: report.machine.busyRatio,
	};
}

function format(runs: readonly CrowdRun[]): string {
	const rows = runs.map(({ publisher, run, joinMs, pictureMs, failedCount, rampCores, restCores }) => [
		`${publisher}, run ${run}`,
		`${figure(joinMs?.p50)} / ${figure(joinMs?.p95)}`,
		`${figure(pictureMs?.p50)} / ${figure(pictureMs?.p95)}`,
		joinMs?.count ?? 0,
		failedCount,
		`${restCores?.toFixed(2) ?? '–'} / ${rampCores?.toFixed(2) ?? '–'}`,
	]);
	const head = [
		'path',
		'join p50 / p95 ms',
		'after DTLS p50 / p95 ms',
		'viewers',
		'failed',
		'server cores, before / ramp',
	];
	return markdownTable(head, rows);
}
