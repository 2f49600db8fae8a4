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

export class EncoderNode {
	readonly #outputs: EncoderNodeOutputs;
	#transcoder: MediaTranscoder | undefined;
	readonly #configs = new Map<TrackId, TrackConfig>();
	/** Takes over at the next key frame. */
	#createNext: (() => MediaTranscoder) | undefined;
	readonly #finishing = new Set<MediaTranscoder>();

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

	/** Returns false before begin(). */
	write(unit: AccessUnit): boolean {
		if (this.#createNext !== undefined && unit.isKeyFrame) {
			this.#takeOver(this.#createNext);
		}
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
		this.#createNext = undefined;
		this.#configs.clear();
	}

	async close(): Promise<void> {
		await Promise.all([this.#transcoder, ...this.#finishing].map((transcoder) => transcoder?.close('run-ended')));
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

	#start(create: () => MediaTranscoder, pass: (output: () => void) => void = (output) => output()): void {
		const transcoder = create();
		this.#transcoder = transcoder;
		transcoder.on('trackConfigured', (config, trackId) =>
			pass(() => {
				this.#configs.set(trackId, config);
				this.#outputs.onConfigured?.(config, trackId);
			}),
		);
		transcoder.on('accessUnit', (unit) => pass(() => this.#outputs.onUnit(unit)));
	}

	async #finish(transcoder: MediaTranscoder): Promise<void> {
		this.#finishing.add(transcoder);
		await transcoder.finish();
		this.#finishing.delete(transcoder);
	}
}
