/**
 * Transcodes one track into one or more with FFmpeg: queues input, restarts a crashed or hanging process, keeps the
 * timeline exact.
 */
import { type Clock, withDeadline } from '../../core/lifecycle/clock.ts';
import { retryDelayMs } from '../../core/lifecycle/back-off.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type {
	MediaTranscoder,
	TranscoderCloseReason,
	TranscoderEvents,
	TranscoderStatistics,
} from '../../core/media/transcoder.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import { StateMachine, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';
import { ticksToMs } from '../../core/units.ts';
import { CaptureTimes } from './capture-times.ts';
import { EncodedTrack, type EncodedTrackOptions } from './encoded-track.ts';
import { type EncoderProcess, Encoding, type EncodingListener } from './encoding.ts';
import type { FfmpegArguments } from './ffmpeg-arguments.ts';
import type { EncoderSeat } from './hardware.ts';
import { InputQueue } from './input-queue.ts';
import type { NutStream } from '../../core/wire/nut/nut-headers.ts';
import type { NutFrame } from '../../core/wire/nut/nut-reader.ts';
import { encoderState, type RestartPolicy } from './restart-policy.ts';

/** Otherwise an encoder that is away for long fills the log. */
const DROP_REPORT_INTERVAL_MS = 10_000;
/** How long finish() waits for the last units. */
const FINISH_TIMEOUT_MS = 2000;
/** FFmpeg fills a shorter hole in the audio with silence. Minutes of silence in one burst help no viewer. */
const MAX_FILLED_HOLE_MS = 1000;

/** `ready`: a process runs, or starts with the next unit. `backing-off`: no process until the timer. */
type TranscoderState = 'ready' | 'backing-off' | 'closed';
type TranscoderStateEvent = 'process-failed' | 'restart-due' | 'closed';

const TRANSITIONS = {
	ready: { 'process-failed': 'backing-off', closed: 'closed' },
	'backing-off': { 'restart-due': 'ready', closed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<TranscoderState, TranscoderStateEvent>;

/** What all processes of one encoder have in common. */
export type TranscodePlan = Pick<EncodedTrackOptions, 'run'> & {
	input: TrackConfig;
	/** In the order of the command line's. */
	outputs: readonly Omit<EncodedTrackOptions, 'captureTimes' | 'run'>[];
	/** Pictures a second of the input; absent for sound. */
	frameRate?: number;
	/** The command line of a process that begins with this unit. */
	argumentsFor(first: AccessUnit): FfmpegArguments;
	/** Of pictures: learns how the processes fare. */
	seat?: Pick<EncoderSeat, 'recordOutput' | 'recordFailure'>;
};

type TranscoderDependencies = {
	clock: Clock;
	logger: Logger;
	restartPolicy: RestartPolicy;
	hangTimeoutMs: number;
	createProcess(deps: { clock: Clock; logger: Logger }, ffmpegArguments: FfmpegArguments): EncoderProcess;
};

/** One encoder. Its process starts with the first key frame, whose time decides where the later ones fall. */
export class FfmpegTranscoder extends TypedEmitter<TranscoderEvents> implements MediaTranscoder {
	readonly #deps: TranscoderDependencies;
	readonly #plan: TranscodePlan;
	readonly #scope: CloseScope<TranscoderCloseReason>;
	readonly #state: StateMachine<TranscoderState, TranscoderStateEvent>;
	readonly #queue = new InputQueue();
	readonly #captureTimes = new CaptureTimes();
	readonly #tracks: readonly EncodedTrack[];
	readonly #dropReport: RateLimitedReport;
	/** The one that takes input, and those whose input has ended. */
	#encoding: Encoding | undefined;
	readonly #finishing = new Set<Encoding>();
	readonly #restartTimer: Timer;
	/** Failures in a row, and how the last one went. */
	#attempt = 0;
	#lastError: SpillwayError | undefined;
	#encoderState: EncoderState = 'running';
	#lastDecodeMs = -Infinity;
	/** Presentation times. */
	#firstInputMs: number | undefined;
	#newestInputMs = -Infinity;
	#expectedMs: number | undefined;
	#onQueueEmpty: () => void = () => undefined;
	#refusedUnitCount = 0;
	#statistics = { writtenUnitCount: 0, outputUnitCount: 0, outputBytes: 0, restartCount: 0 };

	constructor(deps: TranscoderDependencies, plan: TranscodePlan) {
		const trackIds = plan.outputs.map(({ trackId }) => trackId).join();
		const logger = deps.logger.child({ trackIds, run: plan.run });
		super(logger);
		this.#deps = { ...deps, logger };
		this.#plan = plan;
		this.#scope = new CloseScope(logger);
		this.#state = new StateMachine({ table: TRANSITIONS, initial: 'ready', logger });
		const shared = { run: plan.run, captureTimes: this.#captureTimes };
		this.#tracks = plan.outputs.map((output) => new EncodedTrack({ ...output, ...shared }));
		this.#restartTimer = new Timer(deps.clock, () => this.#restart());
		this.#dropReport = new RateLimitedReport(
			deps.clock,
			logger,
			'units dropped before the encoder',
			DROP_REPORT_INTERVAL_MS,
		);
		// Registered first, runs last: the event comes when the processes are gone.
		this.#scope.onClose((reason) => this.emit('closed', reason));
		this.#scope.onClose(() => this.#stopEncodings());
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	get encoderState(): EncoderState {
		return this.#encoderState;
	}

	get statistics(): TranscoderStatistics {
		return {
			...this.#statistics,
			droppedUnitCount: this.#queue.droppedCount + this.#refusedUnitCount,
			queuedMs: this.#queue.queuedMs,
			lagMs: this.#lagMs(),
			processId: this.#encoding?.processId,
		};
	}

	write(unit: AccessUnit): void {
		if (this.#scope.closed) {
			return;
		}
		this.#statistics.writtenUnitCount++;
		const decodeMs = ticksToMs(unit.decodeTimeTicks, unit.clockRate);
		if (decodeMs <= this.#lastDecodeMs || !(unit.presentationTimeTicks >= 0)) {
			// The contract of access units forbids it; FFmpeg blames the decoder and guesses times.
			this.#refusedUnitCount++;
			this.#dropReport.count({ decodeTimeTicks: unit.decodeTimeTicks, reason: 'time-not-increasing' });
			return;
		}
		this.#lastDecodeMs = decodeMs;
		const presentationMs = ticksToMs(unit.presentationTimeTicks, unit.clockRate);
		this.#firstInputMs ??= presentationMs;
		this.#newestInputMs = Math.max(this.#newestInputMs, presentationMs);
		this.#restartAfterHole(unit);
		this.#captureTimes.add(unit.presentationTimeTicks, unit.clockRate, unit.captureTimeMs);
		if (!this.#queue.push(unit)) {
			this.#dropReport.count({ queuedMs: this.#queue.queuedMs, reason: 'encoder-behind-or-no-key-frame' });
		}
		this.#pump();
		this.#encoding?.recordInput();
	}

	async finish(): Promise<void> {
		if (this.#encoding !== undefined && !this.#scope.closed) {
			await this.#waitForEmptyQueue();
		}
		if (this.#encoding !== undefined) {
			this.#retire(this.#encoding);
		}
		await Promise.all([...this.#finishing].map((encoding) => encoding.finish(FINISH_TIMEOUT_MS)));
		await this.close('finished');
	}

	close(reason: TranscoderCloseReason): Promise<void> {
		if (!this.#scope.closed) {
			this.#restartTimer.disarm();
			this.#state.handle('closed');
		}
		return this.#scope.close(reason);
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close('tier-closed');
	}

	#startEncoding(first: AccessUnit): Encoding {
		const { clock, logger, hangTimeoutMs, createProcess } = this.#deps;
		const process = createProcess({ clock, logger }, this.#plan.argumentsFor(first));
		const listener: EncodingListener = {
			onStream: (stream, index) => this.#configure(stream, this.#tracks[index]!),
			onFrame: (frame, index) => this.#onFrame(frame, this.#tracks[index]!),
			onWritable: () => this.#pump(),
			onEnded: (error, isHang) => this.#onEnded(encoding, error, isHang),
		};
		const { input, frameRate, outputs } = this.#plan;
		const options = { input, frameRate, outputCount: outputs.length, hangTimeoutMs };
		const encoding = new Encoding({ process, clock, listener }, options);
		return encoding;
	}

	#pump(): void {
		for (let unit = this.#queue.peek(); unit !== undefined; unit = this.#queue.peek()) {
			if (this.#encoding === undefined && this.#state.state === 'ready') {
				this.#encoding = this.#startEncoding(unit);
			}
			if (this.#encoding === undefined || this.#encoding.isBlocked) {
				return;
			}
			this.#encoding.write(unit);
			this.#queue.shift();
		}
		this.#onQueueEmpty();
	}

	async #waitForEmptyQueue(): Promise<void> {
		const empty = new Promise<void>((resolve) => (this.#onQueueEmpty = resolve));
		this.#pump();
		try {
			await withDeadline(this.#deps.clock, empty, FINISH_TIMEOUT_MS, () => new Error('the queue did not empty'));
		} catch {
			// The encoder is stuck or restarting. What waits is dropped, as with close().
		}
	}

	#restartAfterHole(unit: AccessUnit): void {
		if (this.#plan.input.kind !== 'audio') {
			return;
		}
		const startMs = ticksToMs(unit.presentationTimeTicks, unit.clockRate);
		const isHole = this.#expectedMs !== undefined && startMs - this.#expectedMs > MAX_FILLED_HOLE_MS;
		this.#expectedMs = startMs + ticksToMs(unit.durationTicks ?? 0, unit.clockRate);
		if (isHole && this.#encoding !== undefined) {
			this.#deps.logger.info({ atTicks: unit.presentationTimeTicks }, 'a long hole in the audio: a new FFmpeg starts');
			this.#retire(this.#encoding);
			this.#queue.restart();
		}
	}

	// It encodes what it has, and its output still counts.
	#retire(encoding: Encoding): void {
		this.#encoding = undefined;
		this.#finishing.add(encoding);
		void encoding.finish(FINISH_TIMEOUT_MS).finally(() => this.#finishing.delete(encoding));
	}

	#configure(stream: NutStream, track: EncodedTrack): void {
		this.#reportConfig(track.onStream(stream), track);
	}

	#reportConfig(config: TrackConfig | undefined, { trackId }: EncodedTrack): void {
		if (!this.#scope.closed && config !== undefined) {
			this.emit('trackConfigured', config, trackId);
		}
	}

	#onFrame(frame: NutFrame, track: EncodedTrack): void {
		if (this.#scope.closed) {
			return;
		}
		const { config, unit } = track.onFrame(frame);
		this.#recordOutput();
		this.#reportConfig(config, track);
		if (unit !== undefined) {
			this.#statistics.outputUnitCount++;
			this.#statistics.outputBytes += unit.bytes.length;
			this.emit('accessUnit', unit);
		}
	}

	#lagMs(): number {
		const oldestMs = Math.min(...this.#tracks.map(({ newestMs }) => newestMs ?? this.#firstInputMs ?? Infinity));
		return Math.max(0, this.#newestInputMs - oldestMs);
	}

	// Output shows that it works, but only a healthy time clears the failures before.
	#recordOutput(): void {
		this.#plan.seat?.recordOutput();
		if (this.#attempt > 0) {
			if ((this.#encoding?.ageMs ?? 0) >= this.#deps.restartPolicy.healthyAfterMs) {
				this.#attempt = 0;
				this.#lastError = undefined;
			}
			this.#setEncoderState(encoderState(this.#deps.restartPolicy, this.#attempt, true));
		}
	}

	#setEncoderState(state: EncoderState): void {
		if (state !== this.#encoderState) {
			this.#encoderState = state;
			this.emit('encoderStateChanged', state, this.#lastError);
		}
	}

	#onEnded(encoding: Encoding, error: SpillwayError | undefined, isHang: boolean): void {
		if (encoding !== this.#encoding || this.#scope.closed) {
			return;
		}
		const { restartPolicy } = this.#deps;
		this.#plan.seat?.recordFailure(encoding.ageMs, isHang, error?.message ?? 'it ended');
		this.#attempt = encoding.ageMs >= restartPolicy.healthyAfterMs ? 1 : this.#attempt + 1;
		this.#lastError = error;
		const delayMs = retryDelayMs(restartPolicy, this.#attempt, 0)!;
		this.#encoding = undefined;
		this.#finishing.add(encoding);
		void encoding.stop().finally(() => this.#finishing.delete(encoding));
		this.#state.handle('process-failed');
		this.#queue.restart();
		this.#logFailure(error, delayMs);
		this.#setEncoderState(encoderState(restartPolicy, this.#attempt, false));
		this.#restartTimer.arm(delayMs);
	}

	#restart(): void {
		this.#state.handle('restart-due');
		this.#statistics.restartCount++;
		this.#pump();
	}

	#logFailure(error: SpillwayError | undefined, delayMs: number): void {
		const fields = { err: error, attempt: this.#attempt, delayMs };
		const { failingFromAttempt } = this.#deps.restartPolicy;
		if (this.#attempt < failingFromAttempt) {
			this.#deps.logger.warn(fields, 'the encoder failed and is started again');
		} else if (this.#attempt === failingFromAttempt) {
			this.#deps.logger.error(fields, 'the encoder keeps failing; it is started again for as long as it is needed');
		} else {
			this.#deps.logger.debug(fields, 'the encoder failed again');
		}
	}

	async #stopEncodings(): Promise<void> {
		const encodings = [...this.#finishing, ...(this.#encoding === undefined ? [] : [this.#encoding])];
		await Promise.all(encodings.map((encoding) => encoding.stop()));
		this.#encoding = undefined;
	}
}
