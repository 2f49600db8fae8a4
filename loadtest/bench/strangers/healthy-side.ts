/** The streamer and the viewers on the attacked server, each kind in its own process, and their figures. */
import { systemClock } from '../../../core/lifecycle/clock.ts';
import type { HistogramSummary } from '../../load/figures/histogram.ts';
import { measureClockOffset } from '../../load/clock-offset.ts';
import { runEndpoints } from '../../load/endpoints.ts';
import type { FiguresData, RoleConfig, RoleName } from '../../load/figures/messages.ts';
import { RunRecorder } from '../../load/figures/recorder.ts';
import { RoleProcess } from '../../load/role-process.ts';
import { type ServerAddresses, waitUntilLive } from '../measure/server-under-test.ts';

/** Names of the processes, which their figures contain. */
const PROCESSES = { streamer: 'streamer', webrtc: 'webrtc-viewers', hls: 'hls-viewers' } as const;
/** p99 of a process's event-loop lag: a fifth of the 300 ms that parts may be late. With more, the lag may be ours. */
const LAG_BOUND_MS = 60;
const MAX_NOTES = 20;
/** The processes end by themselves after this long. */
const MAX_LIFE_MS = 15 * 60_000;

/** The viewers' figures of one stretch. */
export type HealthyFigures = {
	/** Viewers that play now, by tier; with the newcomers of this stretch. */
	playing: { webrtc: number; hls: number };
	/** Viewers that the server rejected or dropped, or whose media was refused or lost. */
	refusedCount: number;
	/** Decisions that sent a viewer to another tier. */
	movedCount: number;
	/** Stalls of LL-HLS, freezes of WebRTC. */
	stallCount: number;
	freezeCount: number;
	/** Milliseconds; see {@link HlsFigures.partLate}. */
	partLate: HistogramSummary | undefined;
	webrtcLatency: HistogramSummary | undefined;
	/** Milliseconds from a newcomer's socket's answer to their first picture. */
	newcomerJoinMs: { webrtc: number | undefined; hls: number | undefined };
	isStreamerOnAir: boolean;
	/** p99 of event-loop lag by process, in milliseconds. */
	lagMs: Record<string, number | undefined>;
	/** Empty when the stretch counts. */
	voidReasons: string[];
	notes: string[];
};

type HealthySideDeps = { server: ServerAddresses; picture: RoleConfig['picture']; clockOffsetMs: number };

/** One use. */
export class HealthySide {
	readonly #deps: HealthySideDeps;
	readonly #processes = new Map<string, RoleProcess>();
	#recorder = new RunRecorder();
	#notes: string[] = [];

	private constructor(deps: HealthySideDeps) {
		this.#deps = deps;
	}

	/** Starts nothing yet. */
	static async create(server: ServerAddresses, picture: RoleConfig['picture']): Promise<HealthySide> {
		const offset = await measureClockOffset(systemClock, server.httpUrl);
		return new HealthySide({ server, picture, clockOffsetMs: offset?.offsetMs ?? 0 });
	}

	/** Starts the streamer, then `viewerCount` viewers of each tier. Call stop() also when it rejects. */
	async start(viewerCount: number): Promise<void> {
		await this.#startRole('publisher', PROCESSES.streamer, false, 0);
		await waitUntilLive(this.#deps.server).catch((error: unknown) => {
			throw new Error(`${(error as Error).message} ${this.#notes.join(' ')}`);
		});
		await this.#startRole('audience', PROCESSES.webrtc, false, viewerCount);
		await this.#startRole('audience', PROCESSES.hls, true, viewerCount);
	}

	beginStretch(): void {
		this.#recorder = new RunRecorder();
		this.#recorder.phase = 'steady';
		this.#notes = [];
	}

	/** One more viewer of each tier. */
	newcomersArrive(): void {
		[PROCESSES.webrtc, PROCESSES.hls].forEach((name) => this.#processes.get(name)!.send({ type: 'arrive' }));
	}

	/** One viewer of each tier leaves, as many as have arrived. */
	oldestLeave(): void {
		[PROCESSES.webrtc, PROCESSES.hls].forEach((name) => {
			this.#processes.get(name)!.send({ type: 'leave', count: 1, overMs: 0 });
		});
	}

	/** The stretch's figures so far. */
	figures(): HealthyFigures {
		const { counters } = this.#recorder;
		const spreads = this.#recorder.spreads();
		const gauges = this.#recorder.gauges();
		const sum = (...patterns: RegExp[]): number =>
			Object.entries(counters)
				.filter(([name]) => patterns.some((pattern) => pattern.test(name)))
				.reduce((total, [, count]) => total + count, 0);
		const names = Object.values(PROCESSES);
		const lagMs = Object.fromEntries(names.map((name) => [name, spreads[`self.${name}.lag`]?.p99]));
		return {
			playing: { webrtc: gauges['audience.webrtc'] ?? 0, hls: gauges['audience.hls'] ?? 0 },
			refusedCount: sum(/^audience\.(refused|dropped)$/, /^(webrtc|hls)\.failed$/),
			movedCount: sum(/^audience\.switches\./),
			stallCount: sum(/^hls\.stalls$/),
			freezeCount: sum(/^webrtc\.freezes$/),
			partLate: spreads['hls.partLate'],
			webrtcLatency: spreads['webrtc.latency'],
			newcomerJoinMs: { webrtc: spreads['webrtc.join']?.max, hls: spreads['hls.join']?.max },
			isStreamerOnAir: gauges['publisher.publishing'] === 1,
			lagMs,
			voidReasons: names
				.filter((name) => !(lagMs[name]! <= LAG_BOUND_MS))
				.map((name) => `${name}: event-loop lag p99 ${lagMs[name]?.toFixed(0) ?? '–'} ms, bound ${LAG_BOUND_MS} ms`),
			notes: [...this.#notes],
		};
	}

	/** Ends viewers, then the streamer. Idempotent. */
	async stop(): Promise<void> {
		const processes = [...this.#processes.values()];
		await Promise.all(processes.filter(({ name }) => name !== PROCESSES.streamer).map((child) => child.stop()));
		await this.#processes.get(PROCESSES.streamer)?.stop();
	}

	async #startRole(role: RoleName, processName: string, isPinnedToHls: boolean, count: number): Promise<void> {
		const { server, picture, clockOffsetMs } = this.#deps;
		const { channel, streamKey } = server;
		const config: RoleConfig = {
			role,
			processName,
			isPinnedToHls,
			hlsVariant: 'highest',
			endpoints: runEndpoints({ addresses: {}, webRtcPortMap: {}, channel }, server),
			channel,
			streamKey,
			clockOffsetMs,
			maxLifeMs: MAX_LIFE_MS,
			picture,
			arrivalsMs: Array.from({ length: count }, (_, index) => index * 100),
			starveRatio: 0,
			publish: 'rtmp',
			runId: '',
			firstSender: 0,
			chatSenderCount: 0,
			chatRate: 0,
		};
		const listener = {
			figures: (name: string, figures: FiguresData) => this.#recorder.add(name, figures),
			note: (name: string, text: string) => this.#note(`${name}: ${text}`),
			died: (_name: string, reason: string) => this.#note(reason),
		};
		const child = new RoleProcess({ clock: systemClock, config, listener });
		this.#processes.set(processName, child);
		await child.start();
	}

	#note(text: string): void {
		if (this.#notes.length < MAX_NOTES) {
			this.#notes.push(text);
		}
	}
}
