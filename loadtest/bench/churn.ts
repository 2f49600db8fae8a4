/**
 * Viewers who come and go by the thousand: what a server keeps of them. Each opens a signaling socket, asks for a
 * playlist, and leaves; some offer a WHEP session before and end it.
 */
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { FrameReader, SignalingSocket } from '../clients/signaling/signaling-socket.ts';
import { whepOffer } from '../clients/whep/whep-offer.ts';
import { type ServerUnderTest, waitUntilLive } from './measure/server-under-test.ts';
import { childProcesses, rssBytes } from './measure/process-cpu.ts';
import { createPublisher } from '../clients/create-publisher.ts';
import { type BenchCommand, withServer } from './bench-options.ts';

/** What comes and goes. */
type ChurnOptions = {
	viewerCount: number;
	/** Viewers at one time. */
	atOnce: number;
	/** One viewer in so many offers a WHEP session. Servers take some twenty offers a second from one address. */
	whepEvery: number;
	/** Time for what is closed late, before memory is read. */
	settleMs: number;
};

/** Resident memory in MiB; undefined where /proc is missing. */
type Memory = { server: number | undefined; workers: number | undefined };

/** What one run gave. */
type ChurnRun = ChurnOptions & {
	before: Memory;
	after: Memory;
	/** Viewers, consumers and held requests that the server still counts. 0: it has forgotten all. */
	leftCount: number;
	whepCount: number;
	failures: string[];
	tookMs: number;
};

const FINGERPRINT = `sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`;
const REQUEST_DEADLINE_MS = 15_000;
const MAX_FAILURES = 20;

export const churn: BenchCommand = {
	summary: '--viewers n who come and go: what the server keeps of them',
	run: (options) =>
		withServer(options, async (server) => {
			const publisher = createPublisher('rtmp', options.settings, server.addresses);
			const plan = { atOnce: 50, whepEvery: 50, settleMs: options.settleMs };
			try {
				await publisher.start();
				await waitUntilLive(server.addresses);
				// The first thousand warm it up: what grows with them is the program's, not the viewers'.
				await runChurn(server, { ...plan, viewerCount: 1000 });
				const result = await runChurn(server, { ...plan, viewerCount: options.viewerCount });
				return { result, markdown: formatChurn(result) };
			} finally {
				await publisher.stop();
			}
		}),
};

/** Runs it against a server on which a channel is live. @internal for tests */
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
	const mib = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(0));
	return [
		`${run.viewerCount} viewers came and went, ${run.atOnce} at a time, ${run.whepCount} of them with a WHEP session, in ${(run.tookMs / 1000).toFixed(0)} s.`,
		`Still counted: ${run.leftCount}. Failed: ${run.failures.length}${run.failures[0] === undefined ? '' : ` (${run.failures[0]})`}.`,
		'',
		'| resident memory, MiB | before | after |',
		'| --- | --- | --- |',
		`| server | ${mib(run.before.server)} | ${mib(run.after.server)} |`,
		`| SFU workers | ${mib(run.before.workers)} | ${mib(run.after.workers)} |`,
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
	const body = whepOffer({ usernameFragment: 'churn', password: 'p'.repeat(24), fingerprint: FINGERPRINT });
	const { response } = await request(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body });
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
