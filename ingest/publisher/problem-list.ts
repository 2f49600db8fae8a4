/** The current problems of one publisher's stream. Each is logged once. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackProblem } from './publisher.ts';
import { isConfigurationProblem, TRACK_PROBLEMS, trackProblem, type TrackProblemCode } from './track-problems.ts';

/** Long enough for a streamer who looks at the dashboard now and then. */
const EXPIRES_AFTER_MS = 10_000;
/** An encoder chooses some of the details, so their number is limited. */
const MAX_PROBLEM_COUNT = 16;

type Seen = { code: TrackProblemCode; problem: TrackProblem; lastSeenAtMs: number };

export class ProblemList {
	readonly #deps: { clock: Clock; logger: Logger };
	/** Tracks whose configuration problems can expire. */
	readonly #configured = new Set<TrackKind>();
	readonly #seen = new Map<string, Seen>();
	/** Logged keys, so that a problem that comes and goes does not fill the log. */
	readonly #logged = new Set<string>();

	constructor(deps: { clock: Clock; logger: Logger }) {
		this.#deps = deps;
	}

	/** The problem occurs now. Cheap enough for each message. */
	record(code: TrackProblemCode, detail = ''): void {
		const key = `${code} ${detail}`;
		const seen = this.#seen.get(key);
		if (seen !== undefined) {
			seen.lastSeenAtMs = this.#deps.clock.monotonicMs();
			return;
		}
		if (this.#seen.size >= MAX_PROBLEM_COUNT) {
			this.#evictExpired();
		}
		if (this.#seen.size >= MAX_PROBLEM_COUNT) {
			return;
		}
		const problem = trackProblem(code, detail);
		this.#seen.set(key, { code, problem, lastSeenAtMs: this.#deps.clock.monotonicMs() });
		if (!this.#logged.has(key) && this.#logged.size < MAX_PROBLEM_COUNT) {
			this.#logged.add(key);
			this.#deps.logger.warn({ code, reason: problem.message }, "a problem of a publisher's stream");
		}
	}

	/** The track has a usable configuration: its configuration problems are over. */
	configured(kind: TrackKind): void {
		for (const [key, { code }] of this.#seen) {
			if (TRACK_PROBLEMS[code].kind === kind && isConfigurationProblem(code)) {
				this.#seen.delete(key);
			}
		}
		this.#configured.add(kind);
	}

	/** The problem is over. */
	clear(code: TrackProblemCode): void {
		for (const [key, seen] of this.#seen) {
			if (seen.code === code) {
				this.#seen.delete(key);
			}
		}
	}

	/** In order of occurrence. */
	get current(): readonly TrackProblem[] {
		this.#evictExpired();
		const problems = [...this.#seen.values()].map(({ problem }) => problem);
		// A track with an unusable configuration lacks a configuration as well: only the first reason is reported.
		return problems.filter(
			({ code, kind }) =>
				!code.endsWith('-config-missing') ||
				!problems.some((other) => other.kind === kind && other.code !== code && isConfigurationProblem(other.code)),
		);
	}

	#evictExpired(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		for (const [key, { code, lastSeenAtMs }] of this.#seen) {
			const isLasting = isConfigurationProblem(code) && !this.#configured.has(TRACK_PROBLEMS[code].kind);
			if (!isLasting && nowMs - lastSeenAtMs > EXPIRES_AFTER_MS) {
				this.#seen.delete(key);
			}
		}
	}
}
