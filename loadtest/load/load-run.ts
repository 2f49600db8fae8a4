/** One run: server, publisher, viewers, the times of its phases, and the report. Ends everything it has started. */
import { randomBytes } from 'node:crypto';
import { type Clock, sleep } from '../../core/lifecycle/clock.ts';
import { watchSelf } from '../bench/measure/self-watch.ts';
import { ServerUnderTest } from '../bench/measure/server-under-test.ts';
import type { LoadOptions } from './options.ts';
import { buildReport, type RunReport } from './run-report.ts';
import { type ClockOffset, measureClockOffset } from './clock-offset.ts';
import { runEndpoints } from './endpoints.ts';
import type { Endpoints, FiguresData, RoleConfig, RoleName } from './figures/messages.ts';
import { RoleProcess } from './role-process.ts';
import { RunRecorder } from './figures/recorder.ts';
import { ServerWatch } from './server-watch.ts';

const TICK_MS = 1000;
/** The server without viewers, whose costs are subtracted from those with viewers. */
const BASELINE_MS = 3000;
const LIVE_DEADLINE_MS = 25_000;
const LIVE_POLL_MS = 200;
const ENOUGH_POLL_MS = 200;
/** Children end by themselves this long after the planned end. */
const SPARE_LIFE_MS = 90_000;
const MAX_NOTES = 50;
/** The parent makes no pictures: only a starved machine voids a run from here. */
const PARENT_BOUNDS = { eventLoopDelayP99Ms: Infinity, stealRatio: 0.02, busyRatio: 0.97 };

type RunListener = {
	tick(recorder: RunRecorder, atMs: number, totalMs: number): void;
	note(text: string): void;
	/** Called repeatedly in the steady state: true ends it early. */
	isEnough?(recorder: RunRecorder): boolean;
};

/** Rejects when the run is not possible; an aborted run rejects with the signal's reason. */
export async function runLoad(
	clock: Clock,
	options: LoadOptions,
	signal: AbortSignal,
	listener: RunListener,
): Promise<RunReport> {
	const run = new LoadRun({ clock, options, signal, listener });
	try {
		return await run.run();
	} finally {
		await run.end();
	}
}

type LoadRunDeps = { clock: Clock; options: LoadOptions; signal: AbortSignal; listener: RunListener };

class LoadRun {
	readonly #deps: LoadRunDeps;
	readonly #recorder = new RunRecorder();
	readonly #processes: RoleProcess[] = [];
	readonly #notes: string[] = [];
	readonly #deaths: string[] = [];
	readonly #runId = randomBytes(4).toString('hex');
	#server: ServerUnderTest | undefined;
	#originMs = 0;

	constructor(deps: LoadRunDeps) {
		this.#deps = deps;
	}

	async run(): Promise<RunReport> {
		const options = this.#deps.options;
		const startedAtMs = this.#deps.clock.nowMs();
		const { endpoints, serverPid } = await this.#prepareServer();
		const offset =
			endpoints.httpUrl === undefined ? undefined : await measureClockOffset(this.#deps.clock, endpoints.httpUrl);
		if (options.publish !== undefined) {
			await this.#startRole('publisher', [0], endpoints, offset);
			await this.#waitUntilLive(endpoints);
		}
		const watch = serverPid === undefined ? undefined : new ServerWatch(serverPid);
		const cancelTick = this.#startTicks(watch);
		try {
			await this.#wait(watch === undefined ? 0 : BASELINE_MS);
			this.#recorder.phase = 'ramp';
			this.#originMs = this.#deps.clock.monotonicMs();
			await this.#startViewers(endpoints, offset);
			await this.#wait(options.rampMs);
			this.#recorder.phase = 'steady';
			const endSelfWatch = watchSelf(PARENT_BOUNDS);
			await this.#waitForEnough();
			const machine = endSelfWatch();
			await this.#leave();
			this.#recorder.phase = 'after';
			await this.#stopProcesses();
			return buildReport({
				options,
				recorder: this.#recorder,
				startedAtMs,
				machine,
				offset,
				notes: this.#notes,
				processNames: this.#processes.map(({ name }) => name),
				deaths: this.#deaths,
			});
		} finally {
			cancelTick();
		}
	}

	/** Idempotent. The publisher is last, so that no viewer counts the end of the broadcast as a failure. */
	async end(): Promise<void> {
		await this.#stopProcesses();
		const server = this.#server;
		this.#server = undefined;
		await server?.stop();
	}

	async #prepareServer(): Promise<{ endpoints: Endpoints; serverPid: number | undefined }> {
		const options = this.#deps.options;
		if (options.server === undefined && Object.keys(options.addresses).length === 0) {
			this.#note('starting a server');
			this.#server = await ServerUnderTest.start(options.serverEnvironment);
			this.#deps.signal.throwIfAborted();
			options.streamKey = this.#server.addresses.streamKey;
			return { endpoints: runEndpoints(options, this.#server.addresses), serverPid: this.#server.pid };
		}
		const server =
			options.server === undefined ? undefined : { httpUrl: options.server, rtmpUrl: options.addresses.rtmp };
		return { endpoints: runEndpoints(options, server), serverPid: options.serverPid };
	}

	async #startViewers(endpoints: Endpoints, offset: ClockOffset | undefined): Promise<void> {
		const { counts, rampMs, processCount } = this.#deps.options;
		const roles = ['webrtc', 'hls', 'audience', 'chat', 'pixel'] as const;
		await Promise.all(
			roles.flatMap((role) =>
				counts[role] === 0
					? []
					: dealOut(arrivalTimesMs(counts[role], rampMs), role === 'pixel' ? 1 : processCount).map((arrivals, index) =>
							this.#startRole(role, arrivals, endpoints, offset, index),
						),
			),
		);
	}

	async #startRole(
		role: RoleName,
		arrivalsMs: number[],
		endpoints: Endpoints,
		offset: ClockOffset | undefined,
		index = 0,
	): Promise<void> {
		const { options, clock } = this.#deps;
		const chatProcesses = Math.min(options.processCount, Math.max(1, options.counts.chat));
		const senders = Math.ceil(Math.min(options.chatSenderCount, options.counts.chat) / chatProcesses);
		const config: RoleConfig = {
			role,
			processName: `${role}-${index + 1}`,
			arrivalsMs,
			isPinnedToHls: options.isAudiencePinnedToHls,
			hlsVariant: options.hlsVariant,
			endpoints,
			channel: options.channel,
			streamKey: options.streamKey ?? '',
			clockOffsetMs: offset?.offsetMs ?? 0,
			starveRatio: role === 'publisher' ? 0 : options.starveRatio,
			maxLifeMs: this.#plannedMs() + SPARE_LIFE_MS,
			publish: options.publish,
			picture: options.picture,
			runId: this.#runId,
			chatSenderCount: senders,
			firstSender: index * senders,
			chatRate: options.chatRate / chatProcesses,
		};
		const listener = {
			figures: (name: string, figures: FiguresData) => this.#recorder.add(name, figures),
			note: (name: string, text: string) => this.#note(`${name}: ${text}`),
			died: (_name: string, reason: string) => {
				this.#deaths.push(reason);
				this.#note(reason);
			},
		};
		const child = new RoleProcess({ clock, config, listener });
		this.#processes.push(child);
		await child.start();
	}

	async #leave(): Promise<void> {
		const { leaveCount, leaveOverMs, afterMs } = this.#deps.options;
		if (leaveCount === 0) {
			return;
		}
		this.#recorder.phase = 'leaving';
		const audience = this.#processes.filter(({ name }) => name.startsWith('audience'));
		audience.forEach((child, index) => {
			const count = Math.floor(leaveCount / audience.length) + (index < leaveCount % audience.length ? 1 : 0);
			child.send({ type: 'leave', count, overMs: leaveOverMs });
		});
		await this.#wait(leaveOverMs);
		this.#recorder.phase = 'after';
		await this.#wait(afterMs);
	}

	async #stopProcesses(): Promise<void> {
		const [publishers, viewers] = [true, false].map((isPublisher) =>
			this.#processes.filter(({ name }) => name.startsWith('publisher') === isPublisher),
		);
		await Promise.all(viewers!.map((child) => child.stop()));
		await Promise.all(publishers!.map((child) => child.stop()));
	}

	async #waitUntilLive({ hls, httpUrl }: Endpoints): Promise<void> {
		const endMs = this.#deps.clock.monotonicMs() + LIVE_DEADLINE_MS;
		if (hls === undefined || httpUrl === undefined) {
			// A server of another kind: its sign for "live" is not known.
			await this.#wait(BASELINE_MS);
			return;
		}
		let last: string;
		do {
			const response = await fetch(hls, {
				signal: AbortSignal.any([this.#deps.signal, AbortSignal.timeout(LIVE_DEADLINE_MS)]),
			});
			last = `${response.status} ${(await response.text()).slice(0, 200)}`;
			if (response.ok) {
				return;
			}
			await this.#wait(LIVE_POLL_MS);
		} while (this.#deps.clock.monotonicMs() < endMs);
		throw new Error(`The channel did not go live within ${LIVE_DEADLINE_MS} ms: ${last}`);
	}

	async #waitForEnough(): Promise<void> {
		const { options, listener, clock } = this.#deps;
		if (listener.isEnough === undefined) {
			return this.#wait(options.durationMs);
		}
		const endMs = clock.monotonicMs() + options.durationMs;
		while (clock.monotonicMs() < endMs && !listener.isEnough(this.#recorder)) {
			await this.#wait(ENOUGH_POLL_MS);
		}
	}

	#startTicks(watch: ServerWatch | undefined): () => void {
		this.#originMs = this.#deps.clock.monotonicMs() + BASELINE_MS;
		watch?.read(this.#deps.clock.monotonicMs());
		return this.#deps.clock.setInterval(() => {
			const nowMs = this.#deps.clock.monotonicMs();
			const { cores, rssBytes } = watch?.read(nowMs) ?? {};
			if (cores !== undefined) {
				this.#recorder.sample('server.cores', cores);
			}
			if (rssBytes !== undefined) {
				this.#recorder.sample('server.rssBytes', rssBytes);
			}
			this.#recorder.tick(nowMs - this.#originMs);
			this.#deps.listener.tick(this.#recorder, nowMs - this.#originMs, this.#plannedMs());
		}, TICK_MS);
	}

	#plannedMs(): number {
		const { rampMs, durationMs, leaveCount, leaveOverMs, afterMs } = this.#deps.options;
		return rampMs + durationMs + (leaveCount === 0 ? 0 : leaveOverMs + afterMs);
	}

	#wait(ms: number): Promise<void> {
		return sleep(this.#deps.clock, ms, this.#deps.signal);
	}

	#note(text: string): void {
		if (this.#notes.length < MAX_NOTES) {
			this.#notes.push(text);
		}
		this.#deps.listener.note(text);
	}
}

/** Arrival times from the start, ascending. With a ramp of 0 all arrive at once. @internal for tests */
export function arrivalTimesMs(count: number, rampMs: number): number[] {
	return Array.from({ length: count }, (_, index) => (index * rampMs) / count);
}

/** Assigns viewers to processes in turn, so that each process has the ramp of the whole run. @internal for tests */
export function dealOut<Item>(items: readonly Item[], processCount: number): Item[][] {
	const hands = Array.from({ length: Math.min(processCount, Math.max(1, items.length)) }, (): Item[] => []);
	items.forEach((item, index) => hands[index % hands.length]!.push(item));
	return hands;
}
