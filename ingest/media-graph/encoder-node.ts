/** One encoder of a contribution: created when it is first needed, and again after a break of its input. */
import type { AccessUnit, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { MediaTranscoder } from '../../core/media/transcoder.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';

type ConfigOf<Kind extends TrackKind> = Extract<TrackConfig, { kind: Kind }>;

type EncoderNodeOutputs<Kind extends TrackKind> = {
	onConfigured?: (config: ConfigOf<Kind>) => void;
	onUnit: (unit: AccessUnit) => void;
};

export class EncoderNode<Kind extends TrackKind> {
	readonly #outputs: EncoderNodeOutputs<Kind>;
	#transcoder: MediaTranscoder | undefined;
	#config: ConfigOf<Kind> | undefined;

	constructor(outputs: EncoderNodeOutputs<Kind>) {
		this.#outputs = outputs;
	}

	/** Undefined until begin(). */
	get state(): EncoderState | undefined {
		return this.#transcoder?.encoderState;
	}

	/** The output's configuration; undefined until it is known. */
	get config(): ConfigOf<Kind> | undefined {
		return this.#config;
	}

	/** Creates the transcoder. Returns false, and creates none, when there is one. */
	begin(create: () => MediaTranscoder): boolean {
		if (this.#transcoder !== undefined) {
			return false;
		}
		this.#transcoder = create();
		this.#transcoder.on('trackConfigured', (config) => {
			// A transcoder reports the kind that it was created for.
			this.#config = config as ConfigOf<Kind>;
			this.#outputs.onConfigured?.(this.#config);
		});
		this.#transcoder.on('accessUnit', (unit) => this.#outputs.onUnit(unit));
		return true;
	}

	/** Returns false before begin(). */
	write(unit: AccessUnit): boolean {
		this.#transcoder?.write(unit);
		return this.#transcoder !== undefined;
	}

	/** Another run follows: the next begin() creates another transcoder. */
	restart(): void {
		void this.close();
		this.#transcoder = undefined;
		this.#config = undefined;
	}

	async close(): Promise<void> {
		await this.#transcoder?.close('run-ended');
	}
}
