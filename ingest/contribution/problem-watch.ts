/**
 * Watches one publisher, of any protocol, for problems that only time shows. Examples: a track that is announced and
 * does not come, one without a key frame, one that stops.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { LadderPlan } from '../media-plan/ladder.ts';
import { PaceWatch, paceText } from '../timing/pace-watch.ts';
import { ProblemList } from '../publisher/problem-list.ts';
import type { Publisher, TrackProblem } from '../publisher/publisher.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';

/** The streamer is warned after this long without usable picture or sound. A shorter time warns about slow starts. */
const PATIENCE_MS = 3000;
const CHECK_INTERVAL_MS = 1000;
/** A track may pause for this many of its own intervals: one picture every ten seconds has not stopped after three. */
const PATIENCE_INTERVALS = 3;
const KINDS = ['video', 'audio'] as const;
type Arrivals = { lastAtMs: number; longestIntervalMs: number };
const PACE_PROBLEMS = { video: 'video-pace-wrong', audio: 'audio-pace-wrong' } as const;

type WatchedPublisher = Pick<Publisher, 'announcedKinds' | 'describedKinds' | 'problems' | 'on'>;

/** The problems of one publisher: its own reports, and those that are found here. Close it with the publisher. */
export class ProblemWatch {
	readonly #deps: { clock: Clock; logger: Logger };
	readonly #publisher: WatchedPublisher;
	readonly #startedAtMs: number;
	readonly #scope: CloseScope<'publisher-closed'>;
	readonly #found: ProblemList;
	readonly #configured = new Set<TrackKind>();
	readonly #arrivals = new Map<TrackKind, Arrivals>();
	readonly #paces = { video: new PaceWatch(), audio: new PaceWatch() };
	/** Pictures came, but no key frame. */
	#hasHeadlessVideo = false;
	#droppedRungs = '';

	constructor(deps: { clock: Clock; logger: Logger }, publisher: WatchedPublisher) {
		this.#deps = deps;
		this.#publisher = publisher;
		this.#startedAtMs = deps.clock.monotonicMs();
		this.#scope = new CloseScope(deps.logger);
		this.#found = new ProblemList(deps);
		const { signal } = this.#scope;
		publisher.on('trackConfigured', ({ kind }) => this.#configured.add(kind), { signal });
		publisher.on(
			'unit',
			({ kind, isKeyFrame, decodeTimeMs, arrivedAtMs }) => {
				this.#onUnit(kind, isKeyFrame);
				this.#paces[kind].observe(decodeTimeMs, arrivedAtMs);
			},
			{ signal },
		);
		publisher.on('closed', () => this.close(), { signal });
		this.#scope.every(deps.clock, CHECK_INTERVAL_MS, () => this.#check());
	}

	/** Current problems; after the publisher's end, those of that moment. */
	get problems(): readonly TrackProblem[] {
		return [...this.#publisher.problems, ...this.#found.current];
	}

	/** The ladder that is made now: rungs that its encoder cannot carry are a problem. Call it a few times a second. */
	observeLadder(ladder: LadderPlan | undefined): void {
		const dropped = ladder?.leftOut.filter(({ cause }) => cause === 'load').map(({ name }) => name) ?? [];
		const names = dropped.join(', ');
		if (names !== this.#droppedRungs) {
			this.#droppedRungs = names;
			this.#found.clear('video-rungs-dropped');
		}
		if (names !== '') {
			this.#found.record('video-rungs-dropped', names);
		}
	}

	/** Idempotent. */
	close(): void {
		if (!this.#scope.closed) {
			this.#recordPaces('wrongPaceAtEnd');
		}
		void this.#scope.close('publisher-closed');
	}

	#onUnit(kind: TrackKind, isKeyFrame: boolean): void {
		const nowMs = this.#deps.clock.monotonicMs();
		const arrivals = this.#arrivals.get(kind);
		if (arrivals === undefined) {
			// Pictures before the first key frame cannot be shown.
			if (kind === 'audio' || isKeyFrame) {
				this.#arrivals.set(kind, { lastAtMs: nowMs, longestIntervalMs: 0 });
				this.#check();
			} else {
				this.#hasHeadlessVideo = true;
			}
			return;
		}
		const intervalMs = nowMs - arrivals.lastAtMs;
		arrivals.lastAtMs = nowMs;
		// Decays slowly, so that one pause does not excuse all later ones.
		arrivals.longestIntervalMs = Math.max(intervalMs, arrivals.longestIntervalMs * 0.95);
		this.#found.clear(`${kind}-stopped`);
	}

	#check(): void {
		this.#recordPaces('wrongPace');
		for (const kind of KINDS) {
			const isHeadless = kind === 'video' && this.#hasHeadlessVideo;
			const isMissing = this.#isMissing(kind);
			this.#record(`${kind}-missing`, isMissing && !isHeadless);
			if (kind === 'video') {
				this.#record('video-key-frame-missing', isMissing && isHeadless);
			}
			if (this.#hasStopped(kind)) {
				this.#found.record(`${kind}-stopped`);
			}
		}
	}

	#recordPaces(which: 'wrongPace' | 'wrongPaceAtEnd'): void {
		for (const kind of KINDS) {
			const pace = this.#paces[kind][which];
			if (pace === undefined) {
				this.#found.clear(PACE_PROBLEMS[kind]);
			} else {
				this.#found.record(PACE_PROBLEMS[kind], paceText(pace));
			}
		}
	}

	#record(code: TrackProblemCode, isSeen: boolean): void {
		if (isSeen) {
			this.#found.record(code);
		} else {
			this.#found.clear(code);
		}
	}

	#isMissing(kind: TrackKind): boolean {
		const { announcedKinds, describedKinds, problems } = this.#publisher;
		const isAnnounced = (announcedKinds ?? describedKinds ?? []).includes(kind) || this.#configured.has(kind);
		return (
			isAnnounced &&
			!this.#arrivals.has(kind) &&
			this.#deps.clock.monotonicMs() - this.#startedAtMs > PATIENCE_MS &&
			// It comes and cannot be used: the publisher reports why.
			!problems.some((problem) => problem.kind === kind)
		);
	}

	// When both tracks stop, the line or the encoder is the cause, which shows as an interrupted broadcast.
	#hasStopped(kind: TrackKind): boolean {
		const silentMs = this.#silentMs(kind);
		const patienceMs = Math.max(PATIENCE_MS, PATIENCE_INTERVALS * (this.#arrivals.get(kind)?.longestIntervalMs ?? 0));
		const otherSilentMs = this.#silentMs(kind === 'audio' ? 'video' : 'audio');
		return (
			silentMs !== undefined && silentMs > patienceMs && otherSilentMs !== undefined && otherSilentMs < PATIENCE_MS
		);
	}

	#silentMs(kind: TrackKind): number | undefined {
		const lastAtMs = this.#arrivals.get(kind)?.lastAtMs;
		return lastAtMs === undefined ? undefined : this.#deps.clock.monotonicMs() - lastAtMs;
	}
}
