/** One encoder of a contribution: begun when it is first needed, and anew after its input has broken off. */
import type { AccessUnit, TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { MediaTranscoder } from '../../core/media/transcoder.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';

type ConfigOf<Kind extends TrackKind> = Extract<TrackConfig, { kind: Kind }>;

/** Who gets what comes out. */
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

	/** How it is doing; undefined until it is begun. */
	get state(): EncoderState | undefined {
		return this.#transcoder?.encoderState;
	}

	/** Of what comes out; undefined until it is known. */
	get config(): ConfigOf<Kind> | undefined {
		return this.#config;
	}

	/** Begins it with this transcoder. Returns false, and creates none, when it runs. */
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

	/** Returns false when it is not begun. */
	write(unit: AccessUnit): boolean {
		this.#transcoder?.write(unit);
		return this.#transcoder !== undefined;
	}

	/** Another run is coming: the next begin() starts afresh. */
	restart(): void {
		void this.close();
		this.#transcoder = undefined;
		this.#config = undefined;
	}

	async close(): Promise<void> {
		await this.#transcoder?.close('run-ended');
	}
}
