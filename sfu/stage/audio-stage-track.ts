/** The sound of a stage: splices publishers' packets and our own Opus into the stream that viewers get. */
import { SOUND_LAG_MS } from '../../core/media/sound-lag.ts';
import { randomSequence, SequenceSplicer } from './layer/splice.ts';
import type { StagePacket, StageStream } from './layer/stage-stream.ts';
import type { PublisherPacket } from './layer/live-layer.ts';

export class AudioStageTrack {
	readonly #stream: StageStream;
	readonly #splicer = new SequenceSplicer(randomSequence());
	readonly #timestampBase = crypto.getRandomValues(new Uint32Array(1))[0]!;
	#begins = true;

	constructor(stream: StageStream) {
		this.#stream = stream;
	}

	/** Packets and bytes sent. */
	get statistics(): StageStream['statistics'] {
		return this.#stream.statistics;
	}

	/** Another publisher, or another encoder, feeds from now on. */
	beginRun(): void {
		this.#begins = true;
	}

	/** Forwards a publisher's packet. */
	forward(packet: PublisherPacket): void {
		if (this.#begins) {
			this.#beginSplice(packet.sequenceNumber);
		}
		const sequence = this.#splicer.map(packet.sequenceNumber);
		if (sequence !== undefined) {
			this.#stream.send(this.#stagePacket(packet), sequence);
		}
	}

	/** Sends one Opus packet of our own encoder. */
	writeFrame(frame: { bytes: Uint8Array; timelineTicks: number; captureTimeMs: number }): void {
		if (this.#begins) {
			this.#beginSplice(0);
		}
		const { bytes, ...times } = frame;
		this.#stream.send(this.#stagePacket({ payload: bytes, hasMarker: false, ...times }), this.#splicer.next());
	}

	#beginSplice(sequenceNumber: number): void {
		this.#splicer.begin(sequenceNumber, false);
		this.#begins = false;
		this.#stream.restartReports();
	}

	#stagePacket(packet: Omit<PublisherPacket, 'sequenceNumber'>): StagePacket {
		return {
			payload: packet.payload,
			hasMarker: packet.hasMarker,
			timestampTicks: packet.timelineTicks + this.#timestampBase,
			captureTimeMs: packet.captureTimeMs + SOUND_LAG_MS,
		};
	}
}
