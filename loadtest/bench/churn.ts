/**
 * Viewers who come and go by the thousand: what a server keeps of them. Each opens a signaling socket, asks for a
 * playlist, and leaves; some also offer a WHEP session and end it.
 */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { FrameReader, SignalingSocket } from '../clients/signaling/signaling-socket.ts';
import { unconnectedOffer } from '../clients/whep/whep-offer.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { childProcesses, rssBytes } from './measure/process-cpu.ts';
import { type BenchCommand, withServer } from './bench-options.ts';

type ChurnOptions = {
	viewerCount: number;
	/** Viewers at one time. */
	atOnce: number;
	/** One viewer in this many offers a WHEP session. A server accepts some twenty offers a second from one address. */
	whepEvery: number;
	/** Time for late closes, before memory is read. */
	settleMs: number;
};

/** Resident memory in MiB; undefined where /proc is missing. */
type Memory = { server: number | undefined; workers: number | undefined };

type ChurnRun = ChurnOptions & {
	before: Memory;
	after: Memory;
	/** Viewers, consumers and held requests that the server still counts. */
	leftCount: number;
	whepCount: number;
	failures: string[];
	tookMs: number;
};

const REQUEST_DEADLINE_MS = 15_000;
const MAX_FAILURES = 20;

export const churn: BenchCommand = {
	summary: '--viewers n who come and go: what the server keeps of them',
	run: (options) =>
		withServer(options, (server) =>
			withPublisher(server, { publisher: 'rtmp', settings: options.settings }, async () => {
				const plan = { atOnce: 50, whepEvery: 50, settleMs: options.settleMs };
				// The first thousand warm the server up: memory that grows with them is the program's, not the viewers'.
				await runChurn(server, { ...plan, viewerCount: 1000 });
				const result = await runChurn(server, { ...plan, viewerCount: options.viewerCount });
				return { result, markdown: formatChurn(result) };
			}),
		),
};

/** Runs against a server on which a channel is live. @internal for tests */
export async function runChurn(server: ServerUnderTest, options: ChurnOptions): Promise<ChurnRun> {
	const { httpUrl, channel } = server.addresses;
	const before = readMemory(server.pid);
	const startedAtMs = systemClock.monotonicMs();
	const failures: string[] = [];
	let begun = 0;
	let whepCount = 0;
	const visit = async (number: number): Promise<void> => {
		const socket = new SignalingSocket({
			clock: systemClock,
			url: `${httpUrl.replace('http', 'ws')}/api/v1/signaling`,
			join: { type: 'join', protocol: 1, channel, canWebRtc: true, canHls: true, isPinnedToHls: false },
			reader: new FrameReader(),
			onMessage: () => undefined,
			onClosed: (code) => failures.push(`a socket was closed with ${code}`),
		});
		try {
			await socket.open();
			await request(new URL(`/hls/${channel}/index.m3u8`, httpUrl));
			if (number % options.whepEvery === 0) {
				await offerAndLeave(new URL(`/whep/${channel}`, httpUrl));
				whepCount++;
			}
		} finally {
			socket.close();
		}
	};
	const worker = async (): Promise<void> => {
		while (begun < options.viewerCount && failures.length < MAX_FAILURES) {
			await visit(begun++).catch((error: unknown) => failures.push(String(error)));
		}
	};
	await Promise.all(Array.from({ length: options.atOnce }, worker));
	const tookMs = systemClock.monotonicMs() - startedAtMs;
	await sleep(systemClock, options.settleMs);
	return {
		...options,
		before,
		after: readMemory(server.pid),
		leftCount: await countLeft(new URL('/metrics', httpUrl)),
		whepCount,
		failures,
		tookMs,
	};
}

function formatChurn(run: ChurnRun): string {
	const { before, after } = run;
	return [
		`${run.viewerCount} viewers came and went, ${run.atOnce} at a time, ${run.whepCount} of them with a WHEP session, in ${(run.tookMs / 1000).toFixed(0)} s.`,
		`Still counted: ${run.leftCount}. Failed: ${run.failures.length}${run.failures[0] === undefined ? '' : ` (${run.failures[0]})`}.`,
		'',
		markdownTable(
			['resident memory, MiB', 'before', 'after'],
			[
				['server', figure(before.server), figure(after.server)],
				['SFU workers', figure(before.workers), figure(after.workers)],
			],
		),
	].join('\n');
}

async function request(url: URL, init?: RequestInit): Promise<{ response: Response; body: string }> {
	const response = await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_DEADLINE_MS) });
	const body = await response.text();
	if (!response.ok) {
		throw new Error(`${url.pathname} was answered with ${response.status}: ${body.slice(0, 200)}`);
	}
	return { response, body };
}

async function offerAndLeave(url: URL): Promise<void> {
	const headers = { 'content-type': 'application/sdp' };
	const { response } = await request(url, { method: 'POST', headers, body: unconnectedOffer('churn') });
	await request(new URL(response.headers.get('location')!, url), { method: 'DELETE' });
}

async function countLeft(url: URL): Promise<number> {
	const { body } = await request(url);
	const left = /^spillway_(?:viewers|sfu_consumers|hls_held_requests)(?:\{[^}]*\})? (\d+)$/gm;
	return [...body.matchAll(left)].reduce((sum, [, value]) => sum + Number(value), 0);
}

function readMemory(pid: number | undefined): Memory {
	if (pid === undefined) {
		return { server: undefined, workers: undefined };
	}
	const workers = childProcesses(pid).filter(({ name }) => name.startsWith('mediasoup'));
	return {
		server: residentMib(pid),
		workers: workers.reduce((sum, worker) => sum + (residentMib(worker.pid) ?? 0), 0),
	};
}

function residentMib(pid: number): number | undefined {
	const bytes = rssBytes(pid);
	return bytes === undefined ? undefined : bytes / 2 ** 20;
}
