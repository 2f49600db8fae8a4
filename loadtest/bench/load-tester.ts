/** The load tester's self-test: its report must show the 500 ms that proxies add, and must void a starved run. */
import { systemClock } from '../../core/lifecycle/clock.ts';
import { ServerUnderTest } from './measure/server-under-test.ts';
import { type LoadOptions, parseLoadOptions } from '../load/options.ts';
import type { RunReport } from '../load/run-report.ts';
import { runLoad } from '../load/load-run.ts';
import type { RunRecorder } from '../load/figures/recorder.ts';
import { type DelayProxy, startTcpDelayProxy, startUdpDelayProxy } from './measure/delay-proxy.ts';
import { parseWhepAnswer, unconnectedOffer } from '../clients/whep/whep-offer.ts';
import { markdownTable } from './measure/markdown-table.ts';
import type { BenchCommand } from './bench-options.ts';

/** Added by the proxies, one way. @internal for tests */
export const SELF_TEST_DELAY_MS = 500;
const RUN_DEADLINE_MS = 110_000;
/** Latencies of each tier that a run waits for, so that the median is stable. */
const ENOUGH_SAMPLES = 20;
/** The longest wait for them. */
const LONGEST = '--duration 60s';
const PICTURE = '--size 320x180 --bitrate 300000';

/** The result of the three runs: without proxies, with them, and starved. @internal for tests */
export type SelfTest = {
	/** Difference that the proxies make to the median of the reported latency; milliseconds. */
	movedMs: { webrtc: number; hls: number };
	direct: RunReport;
	delayed: RunReport;
	starved: RunReport;
	/** Datagrams and chunks that the proxies delayed. */
	heldCount: number;
};

export const loadTester: BenchCommand = {
	summary: "the load tester's own report, with proxies that add 500 ms, and starved",
	run: async () => {
		const result = await runSelfTest();
		return { result, markdown: formatSelfTest(result) };
	},
};

/** Starts a server; the runs watch the same broadcast at the same time. About 25 s. @internal for tests */
export async function runSelfTest(): Promise<SelfTest> {
	const server = await ServerUnderTest.start({ SPILLWAY_RTC_WORKER_COUNT: '1' });
	const proxies: DelayProxy[] = [];
	try {
		let others: Promise<[RunReport, RunReport]> | undefined;
		let areOthersOver = false;
		const direct = await run(server, `--publish rtmp ${PICTURE} --webrtc 1 --hls 1 --ramp 0`, (recorder) => {
			if (others === undefined) {
				const setOver = (): void => void (areOthersOver = true);
				others = runOthers(server, proxies);
				// Awaited below; a rejection before that must not end the process.
				others.then(setOver, setOver);
			}
			return areOthersOver && hasLatencies(recorder);
		});
		if (others === undefined) {
			throw new Error('The first run ended before it was steady.');
		}
		const [delayed, starved] = await others;
		const moved = (metric: string): number => delayed.spreads[metric]!.p50 - direct.spreads[metric]!.p50;
		return {
			movedMs: { webrtc: moved('webrtc.latency'), hls: moved('hls.latency') },
			direct,
			delayed,
			starved,
			heldCount: proxies.reduce((sum, { heldCount }) => sum + heldCount, 0),
		};
	} finally {
		await Promise.all(proxies.map((proxy) => proxy.close()));
		await server.stop();
	}
}

function formatSelfTest({ movedMs, starved, heldCount }: SelfTest): string {
	const rows = [
		['WebRTC', SELF_TEST_DELAY_MS, movedMs.webrtc.toFixed(0)],
		['LL-HLS', SELF_TEST_DELAY_MS, movedMs.hls.toFixed(0)],
	];
	return `${markdownTable(['tier', 'proxy adds ms', 'report moves by ms'], rows)}
The proxies held back ${heldCount} datagrams and chunks. A tester with half of its time taken away is ${starved.verdict}: ${starved.invalidReasons.join('; ')}.
`;
}

function run(server: ServerUnderTest, line: string, isEnough: (recorder: RunRecorder) => boolean): Promise<RunReport> {
	const { httpUrl, rtmpUrl, streamKey } = server.addresses;
	const all = `--server ${httpUrl} --rtmp ${rtmpUrl} --key ${streamKey} ${line} ${LONGEST}`;
	return runLoad(systemClock, parseLoadOptions(all.split(' ')) as LoadOptions, AbortSignal.timeout(RUN_DEADLINE_MS), {
		tick: () => undefined,
		note: () => undefined,
		isEnough,
	});
}

function hasLatencies(recorder: RunRecorder): boolean {
	const spreads = recorder.spreads();
	return ['webrtc.latency', 'hls.latency'].every((metric) => (spreads[metric]?.count ?? 0) >= ENOUGH_SAMPLES);
}

async function runOthers(server: ServerUnderTest, proxies: DelayProxy[]): Promise<[RunReport, RunReport]> {
	const { httpUrl, channel } = server.addresses;
	const ports = await webRtcPorts(server);
	const udp = await Promise.all(ports.map((port) => startUdpDelayProxy(port, SELF_TEST_DELAY_MS)));
	const tcp = await startTcpDelayProxy(Number(new URL(httpUrl).port), SELF_TEST_DELAY_MS);
	proxies.push(...udp, tcp);
	const maps = ports.map((port, index) => `--webrtc-port-map ${port}:${udp[index]!.port}`).join(' ');
	const slowHls = `http://127.0.0.1:${tcp.port}/hls/${channel}/index.m3u8`;
	return Promise.all([
		run(server, `--webrtc 1 --hls 1 --ramp 7s ${maps} --hls-url ${slowHls}`, hasLatencies),
		run(
			server,
			'--webrtc 1 --ramp 1s --starve 0.5',
			(recorder) => recorder.spreads()['self.webrtc-1.lag'] !== undefined,
		),
	]);
}

/** The ports of the server's candidates, from a session that is never connected. */
async function webRtcPorts(server: ServerUnderTest): Promise<number[]> {
	const url = new URL(`/whep/${server.addresses.channel}`, server.addresses.httpUrl);
	const body = unconnectedOffer('abcd');
	const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body });
	const { candidates } = parseWhepAnswer(await response.text());
	await fetch(new URL(response.headers.get('location')!, url), { method: 'DELETE' });
	return [...new Set(candidates.map((candidate) => Number(candidate.split(' ')[5])))];
}
