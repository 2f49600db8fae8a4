/** The problems of one publisher's stream as they are seen: which of them count now. Each is logged once. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackProblem } from './publisher.ts';
import { isConfigurationProblem, TRACK_PROBLEMS, trackProblem, type TrackProblemCode } from './track-problems.ts';

/** Long enough to be read by somebody who looks at the dashboard now and then. */
const FORGOTTEN_AFTER_MS = 10_000;
/** Details are partly the encoder's to choose. */
const MAX_PROBLEM_COUNT = 16;

type Seen = { code: TrackProblemCode; problem: TrackProblem; lastSeenAtMs: number };

/** Holds what one source of problems has seen. */
export class ProblemList {
	readonly #deps: { clock: Clock; logger: Logger };
	/** Those that are configured need no configuration, whatever was missing before. */
	readonly #configured = new Set<TrackKind>();
	readonly #seen = new Map<string, Seen>();
	/** All that was logged, so that a problem that comes and goes fills no log. */
	readonly #logged = new Set<string>();

	constructor(deps: { clock: Clock; logger: Logger }) {
		this.#deps = deps;
	}

	/** It was seen just now. Cheap enough for each message. */
	record(code: TrackProblemCode, detail = ''): void {
		const key = `${code} ${detail}`;
		const seen = this.#seen.get(key);
		if (seen !== undefined) {
			seen.lastSeenAtMs = this.#deps.clock.monotonicMs();
			return;
		}
		if (this.#seen.size >= MAX_PROBLEM_COUNT) {
			this.#forgetOld();
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

	/** The track has a configuration that we take: what stood in its way is over. */
	configured(kind: TrackKind): void {
		for (const [key, { code }] of this.#seen) {
			if (TRACK_PROBLEMS[code].kind === kind && isConfigurationProblem(code)) {
				this.#seen.delete(key);
			}
		}
		this.#configured.add(kind);
	}

	/** It is over. */
	clear(code: TrackProblemCode): void {
		for (const [key, seen] of this.#seen) {
			if (seen.code === code) {
				this.#seen.delete(key);
			}
		}
	}

	/** Those that count now, in the order in which they came. */
	get current(): readonly TrackProblem[] {
		this.#forgetOld();
		const problems = [...this.#seen.values()].map(({ problem }) => problem);
		// A track whose configuration cannot be used comes without one as well: the reason is told already.
		return problems.filter(
			({ code, kind }) =>
				!code.endsWith('-config-missing') ||
				!problems.some((other) => other.kind === kind && other.code !== code && isConfigurationProblem(other.code)),
		);
	}

	#forgetOld(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		for (const [key, { code, lastSeenAtMs }] of this.#seen) {
			const isLasting = isConfigurationProblem(code) && !this.#configured.has(TRACK_PROBLEMS[code].kind);
			if (!isLasting && nowMs - lastSeenAtMs > FORGOTTEN_AFTER_MS) {
				this.#seen.delete(key);
			}
		}
	}
}
