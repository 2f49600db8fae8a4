/**
 * One encoder of a contribution: created when it is first needed, replaced without a gap, and created again after a
 * break.
 */
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { MediaTranscoder, TranscoderStatistics } from '../../core/media/transcoder.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';

type EncoderNodeOutputs = {
	onConfigured?: (config: TrackConfig, trackId: TrackId) => void;
	onUnit: (unit: AccessUnit) => void;
};

/** Output of a new transcoder that waits until the one before has put out everything: 2 s of five pictures. */
const MAX_HELD_OUTPUTS = 600;

/**
 * A track that still comes from the transcoder before. ahead: the present one is catching up. last-gop: it is in step,
 * and takes over at the next key frame. cut: the one before is there, and puts out no more of the track.
 */
type OvertakenTrack = 'ahead' | 'last-gop' | 'cut';
/** In step: behind by less than this. */
const IN_STEP_SECONDS = 0.5;

export class EncoderNode {
	readonly #outputs: EncoderNodeOutputs;
	#transcoder: MediaTranscoder | undefined;
	readonly #configs = new Map<TrackId, TrackConfig>();
	/** Takes over at the next key frame. */
	#createNext: (() => MediaTranscoder) | undefined;
	readonly #finishing = new Set<MediaTranscoder>();
	/** The one before, until the present one has caught up with it, and which of its tracks still come from it. */
	#overtaken: { transcoder: MediaTranscoder; tracks: Map<TrackId, OvertakenTrack> } | undefined;
	/** Time of the newest output of each track, in its ticks. */
	readonly #newestTicks = new Map<TrackId, number>();

	constructor(outputs: EncoderNodeOutputs) {
		this.#outputs = outputs;
	}

	/** Undefined until begin(). */
	get state(): EncoderState | undefined {
		return this.#transcoder?.encoderState;
	}

	/** Undefined until begin(). */
	get statistics(): TranscoderStatistics | undefined {
		return this.#transcoder?.statistics;
	}

	/** An output's configuration; undefined until it is known. */
	config(trackId: TrackId): TrackConfig | undefined {
		return this.#configs.get(trackId);
	}

	/** Creates the transcoder. Returns false, and creates none, when there is one. */
	begin(create: () => MediaTranscoder): boolean {
		if (this.#transcoder !== undefined) {
			return false;
		}
		this.#start(create);
		return true;
	}

	/**
	 * At the next key frame of the input another transcoder takes over. What comes out of it waits until the present one
	 * has put out all that came before, so that its outputs have no gap and no repetition.
	 */
	replace(create: () => MediaTranscoder): void {
		this.#createNext = create;
	}

	/**
	 * Another transcoder takes over now, where the next key frame is far away. `gop`: all units since the last one. The
	 * present one works on until each of its tracks has changed at a key frame, so that no picture is lost or repeated.
	 */
	overtake(create: () => MediaTranscoder, gop: readonly AccessUnit[]): void {
		this.#createNext = undefined;
		void this.#overtaken?.transcoder.close('run-ended');
		const tracks = [...this.#newestTicks.keys()].map((trackId) => [trackId, 'ahead'] as const);
		this.#overtaken =
			this.#transcoder === undefined ? undefined : { transcoder: this.#transcoder, tracks: new Map(tracks) };
		this.#start(create);
		gop.forEach((unit) => this.#transcoder!.write(unit));
	}

	/** Returns false before begin(). */
	write(unit: AccessUnit): boolean {
		if (this.#createNext !== undefined && unit.isKeyFrame) {
			this.#takeOver(this.#createNext);
		}
		this.#overtaken?.transcoder.write(unit);
		this.#transcoder?.write(unit);
		return this.#transcoder !== undefined;
	}

	/** Nothing needs it any more. What it has still comes out. */
	end(): void {
		this.#createNext = undefined;
		if (this.#transcoder !== undefined) {
			void this.#finish(this.#transcoder);
			this.#transcoder = undefined;
		}
	}

	/** Another run follows: the next begin() creates another transcoder. */
	restart(): void {
		void this.close();
		this.#transcoder = undefined;
		this.#overtaken = undefined;
		this.#createNext = undefined;
		this.#configs.clear();
		this.#newestTicks.clear();
	}

	async close(): Promise<void> {
		const all = [this.#transcoder, this.#overtaken?.transcoder, ...this.#finishing];
		await Promise.all(all.map((transcoder) => transcoder?.close('run-ended')));
	}

	#takeOver(create: () => MediaTranscoder): void {
		const previous = this.#transcoder;
		this.#createNext = undefined;
		if (previous === undefined) {
			this.#start(create);
			return;
		}
		let held: (() => void)[] | undefined = [];
		this.#start(create, (output) => {
			if (held === undefined) {
				output();
			} else if (held.length < MAX_HELD_OUTPUTS) {
				held.push(output);
			}
		});
		void this.#finish(previous).then(() => {
			const outputs = held ?? [];
			held = undefined;
			outputs.forEach((output) => output());
		});
	}

	/** `pass` decides when an output is emitted. */
	#start(create: () => MediaTranscoder, pass: (output: () => void) => void = (output) => output()): void {
		const transcoder = create();
		this.#transcoder = transcoder;
		transcoder.on('trackConfigured', (config, trackId) =>
			pass(() => {
				this.#configs.set(trackId, config);
				this.#outputs.onConfigured?.(config, trackId);
			}),
		);
		transcoder.on('accessUnit', (unit) =>
			pass(() => {
				if (this.#goesOut(unit, transcoder === this.#overtaken?.transcoder)) {
					this.#newestTicks.set(unit.trackId, unit.presentationTimeTicks);
					this.#outputs.onUnit(unit);
				}
			}),
		);
	}

	/** Which of two transcoders a picture of a track is taken from, while one overtakes the other. */
	#goesOut({ trackId, isKeyFrame, presentationTimeTicks, clockRate }: AccessUnit, isOvertaken: boolean): boolean {
		const tracks = this.#overtaken?.tracks;
		const state = tracks?.get(trackId);
		if (tracks === undefined || state === undefined) {
			return !isOvertaken;
		}
		if (isOvertaken) {
			if (state === 'last-gop' && isKeyFrame) {
				tracks.set(trackId, 'cut');
			}
			return tracks.get(trackId) !== 'cut';
		}
		const behindTicks = this.#newestTicks.get(trackId)! - presentationTimeTicks;
		if (isKeyFrame && behindTicks < 0) {
			tracks.delete(trackId);
			if (tracks.size === 0) {
				void this.#overtaken!.transcoder.close('run-ended');
				this.#overtaken = undefined;
			}
			return true;
		}
		if (isKeyFrame && state === 'ahead' && behindTicks < IN_STEP_SECONDS * clockRate) {
			tracks.set(trackId, 'last-gop');
		}
		return false;
	}

	async #finish(transcoder: MediaTranscoder): Promise<void> {
		this.#finishing.add(transcoder);
		await transcoder.finish();
		this.#finishing.delete(transcoder);
	}
}
