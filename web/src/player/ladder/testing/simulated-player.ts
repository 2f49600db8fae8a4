/** Plays a ladder source as hls.js and our steering do, part after part at the live edge. For tests. */
import type { FakeClock } from '../../../../../core/testing/fake-clock.ts';
import { LiveEdge, RateController } from '../../playback/rate-controller.ts';
import type { LadderSource } from '../ladder-source.ts';
import { PART_SECONDS, PARTS_PER_SEGMENT } from './simulated-origin.ts';

const TICK_MS = 10;
const HOLD_BACK_SECONDS = 0.63;

/** Numbers count the parts since the start of the channel. */
type Track = { nextPart: number; knownParts: number; bufferedToSeconds: number };

export class SimulatedPlayer {
	/** Each change of the rung on the screen. */
	readonly shown: { atMs: number; rung: number }[] = [];
	readonly stalls: { atMs: number; forMs: number }[] = [];
	readonly latencies: { atMs: number; seconds: number }[] = [];
	/** Why the loading ended early. */
	failed: unknown;
	readonly #clock: FakeClock;
	readonly #rates = new RateController(HOLD_BACK_SECONDS);
	readonly #edge = new LiveEdge();
	readonly #picture: Track = { nextPart: -1, knownParts: 0, bufferedToSeconds: 0 };
	readonly #sound: Track = { nextPart: -1, knownParts: 0, bufferedToSeconds: 0 };
	readonly #abort = new AbortController();
	readonly #rungOfPart = new Map<number, number>();
	#source: LadderSource | undefined;
	#playheadSeconds: number | undefined;
	#rate = 1;
	#stalledForMs = 0;
	#hasPlayed = false;
	firstPictureAtMs: number | undefined;

	constructor(clock: FakeClock) {
		this.#clock = clock;
	}

	readonly bufferedAheadSeconds = (): number | undefined => (this.#hasPlayed ? this.#ahead() : undefined);

	start(source: LadderSource): void {
		this.#source = source;
		source.on('partLate', () => this.#rates.stalled(this.#clock.monotonicMs()));
		this.#clock.setInterval(() => this.#tick(), TICK_MS);
		for (const kind of ['picture', 'sound'] as const) {
			this.#loadPlaylists(kind).catch((error: unknown) => this.#fail(error));
		}
	}

	stop(): void {
		this.#abort.abort();
		this.#source?.close();
	}

	#fail(error: unknown): void {
		if (!this.#abort.signal.aborted) {
			this.failed = error;
		}
	}

	#ahead(): number {
		const end = Math.min(this.#picture.bufferedToSeconds, this.#sound.bufferedToSeconds);
		return this.#playheadSeconds === undefined ? 0 : Math.max(0, end - this.#playheadSeconds);
	}

	async #loadPlaylists(kind: 'picture' | 'sound'): Promise<void> {
		const track = kind === 'picture' ? this.#picture : this.#sound;
		for (;;) {
			const directives = new URLSearchParams();
			if (track.knownParts > 0) {
				const next = positionOf(track.knownParts);
				directives.set('_HLS_msn', String(next.mediaSequence));
				directives.set('_HLS_part', String(next.partIndex));
				directives.set('_HLS_skip', 'YES');
			}
			const { signal } = this.#abort;
			const answer = await this.#source!.loadPlaylist(kind, directives, { signal });
			const parts = [...new TextDecoder().decode(answer.bytes).matchAll(/#EXT-X-PART:.*part(\d+)\.m4s"(.*)/g)];
			const newest = Number(parts.at(-1)![1]);
			track.knownParts = Math.max(track.knownParts, newest + 1);
			if (kind === 'picture') {
				this.#edge.add(this.#clock.monotonicMs(), track.knownParts * PART_SECONDS);
			}
			if (track.nextPart < 0) {
				const from = track.knownParts * PART_SECONDS - HOLD_BACK_SECONDS;
				const listed = parts.map((part) => ({ number: Number(part[1]), isKey: part[2]!.includes('INDEPENDENT') }));
				const start = listed.findLast(({ number, isKey }) => isKey && number * PART_SECONDS <= from) ?? listed[0]!;
				track.nextPart = kind === 'picture' ? start.number : Math.max(0, Math.floor(from / PART_SECONDS));
				this.#loadParts(kind, track).catch((error: unknown) => this.#fail(error));
			}
		}
	}

	async #loadParts(kind: 'picture' | 'sound', track: Track): Promise<void> {
		const source = this.#source!;
		const { signal } = this.#abort;
		for (;;) {
			if (track.nextPart >= track.knownParts) {
				await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, 2));
				continue;
			}
			const number = track.nextPart;
			const { mediaSequence, partIndex } = positionOf(number);
			if (kind === 'picture') {
				await source.loadPicture({ mediaSequence, partIndex, durationSeconds: PART_SECONDS }, { signal });
				this.#rungOfPart.set(number, source.controller.rung);
			} else {
				const track = source.rung?.sound?.playlistUrl.includes('audio0') ? 'audio0' : 'audio1';
				const url = `https://origin.test/hls/ada/${track}/part${number}.m4s`;
				await source.loadSound(url, mediaSequence, { signal });
			}
			track.nextPart++;
			track.bufferedToSeconds = track.nextPart * PART_SECONDS;
			if (this.#playheadSeconds === undefined && this.#picture.nextPart > 0 && this.#sound.bufferedToSeconds > 0) {
				this.#playheadSeconds = Math.max(
					this.#picture.bufferedToSeconds - PART_SECONDS,
					this.#picture.knownParts * PART_SECONDS - HOLD_BACK_SECONDS,
				);
			}
		}
	}

	#tick(): void {
		const nowMs = this.#clock.monotonicMs();
		if (this.#playheadSeconds === undefined) {
			return;
		}
		const ahead = this.#ahead();
		if (ahead <= 0.001) {
			if (this.#hasPlayed) {
				if (this.#stalledForMs === 0) {
					this.#rates.stalled(nowMs);
				}
				this.#stalledForMs += TICK_MS;
			}
			return;
		}
		if (this.#stalledForMs > 0 && ahead < 0.04) {
			this.#stalledForMs += TICK_MS;
			return;
		}
		if (this.#stalledForMs > 0) {
			this.stalls.push({ atMs: nowMs - this.#stalledForMs, forMs: this.#stalledForMs });
			this.#stalledForMs = 0;
		}
		this.#hasPlayed = true;
		this.firstPictureAtMs ??= nowMs;
		const behindEdgeSeconds = (this.#edge.edgeSeconds(nowMs) ?? 0) - this.#playheadSeconds;
		if (nowMs % 100 < TICK_MS) {
			const decision = this.#rates.update({ nowMs, behindEdgeSeconds, bufferedAheadSeconds: ahead });
			this.#rate = decision.playbackRate;
			if (decision.seekBySeconds !== undefined) {
				this.#playheadSeconds += Math.min(decision.seekBySeconds, ahead - 0.05);
			}
		}
		this.#playheadSeconds += Math.min((this.#rate * TICK_MS) / 1000, ahead);
		const liveSeconds = nowMs / 1000;
		this.latencies.push({ atMs: nowMs, seconds: liveSeconds - this.#playheadSeconds });
		const rung = this.#rungOfPart.get(Math.floor(this.#playheadSeconds / PART_SECONDS - 1e-9));
		if (rung !== undefined && this.shown.at(-1)?.rung !== rung) {
			this.shown.push({ atMs: nowMs, rung });
		}
	}

	/** Stalls that began within this time. */
	stalledMs(fromMs = 0, toMs = Infinity): number {
		const open =
			this.#stalledForMs > 0
				? [{ atMs: this.#clock.monotonicMs() - this.#stalledForMs, forMs: this.#stalledForMs }]
				: [];
		return [...this.stalls, ...open]
			.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
			.reduce((sum, { forMs }) => sum + forMs, 0);
	}

	/** Seconds at that moment. */
	latencyAt(ms: number): number {
		return this.latencies.findLast(({ atMs }) => atMs <= ms)?.seconds ?? NaN;
	}
}

function positionOf(number: number): { mediaSequence: number; partIndex: number } {
	return { mediaSequence: Math.floor(number / PARTS_PER_SEGMENT) + 1, partIndex: number % PARTS_PER_SEGMENT };
}
