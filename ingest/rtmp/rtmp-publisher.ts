/** One accepted publisher, fed and ended by its RTMP session. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { PublisherId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { ProblemList } from '../publisher/problem-list.ts';
import type { PublisherEndReason, TrackProblem } from '../publisher/publisher.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';
import { FlvDemuxer, type RtmpMediaUnit } from './flv-demuxer.ts';

/** Events of {@link RtmpPublisher}. None comes after `closed`. */
type RtmpPublisherEvents = {
	/** A track's decoder configuration is known or has changed. Emitted before its first unit. */
	trackConfigured: [config: TrackConfig];
	/** One H.264 picture or one AAC frame, in the order of the wire. */
	mediaUnit: [unit: RtmpMediaUnit];
	/** `onMetaData`; texts are cut and made printable. It states what the encoder intends, not what it sends. */
	metadata: [metadata: Readonly<Record<string, string | number | boolean>>];
	/** Emitted once. */
	closed: [reason: PublisherEndReason];
};

type RtmpPublisherStatistics = {
	/** Of the whole connection, handshake and headers included. */
	bytesReceived: number;
	videoUnitCount: number;
	keyFrameCount: number;
	audioUnitCount: number;
	/** Messages, or tracks in them, without usable content: unknown codecs, further tracks, broken ones. */
	ignoredTagCount: number;
	/** Why the last of them was ignored, such as `video-codec-unsupported: AV1`. */
	lastIgnoredTag: string | undefined;
};

type RtmpPublisherDependencies = {
	clock: Clock;
	logger: Logger;
	/** Ends its session. */
	requestClose(reason: PublisherEndReason): Promise<void>;
	readBytesReceived(): number;
};

/** Created by the session once its key is accepted; attach listeners in the same tick. */
export class RtmpPublisher extends TypedEmitter<RtmpPublisherEvents> {
	/** Identifies this connection in logs; the encoder's next one has another. */
	readonly id: PublisherId;
	/** IP address of the other end. */
	readonly remoteAddress: string;
	readonly #deps: RtmpPublisherDependencies;
	readonly #demuxer: FlvDemuxer;
	readonly #problems: ProblemList;
	readonly #flashVersion: string;
	#encoderName: string | undefined;
	#videoUnitCount = 0;
	#keyFrameCount = 0;
	#audioUnitCount = 0;
	#ignoredTagCount = 0;
	#lastIgnoredTag: string | undefined;
	#describedKinds: readonly TrackKind[] = [];
	#isSequenceEnded = false;
	#endReason: PublisherEndReason | undefined;

	constructor(
		deps: RtmpPublisherDependencies,
		identity: { id: PublisherId; remoteAddress: string; flashVersion: string },
	) {
		super(deps.logger);
		this.#deps = deps;
		this.id = identity.id;
		this.remoteAddress = identity.remoteAddress;
		this.#flashVersion = identity.flashVersion;
		this.#problems = new ProblemList(deps);
		this.#demuxer = new FlvDemuxer({
			configure: (config) => {
				this.#problems.configured(config.kind);
				this.emit('trackConfigured', config);
			},
			unit: (unit) => this.#emitUnit(unit),
			sequenceEnded: () => (this.#isSequenceEnded = true),
			ignored: (code, detail) => this.ignoreMessage(code, detail),
		});
	}

	/** The encoder's name for itself: from its metadata, otherwise from connect; undefined without one. Printable. */
	get encoderName(): string | undefined {
		return this.#encoderName ?? (this.#flashVersion === '' ? undefined : this.#flashVersion);
	}

	/** What is left out of its stream now, and why. */
	get problems(): readonly TrackProblem[] {
		return this.#problems.current;
	}

	/** Tracks that its metadata describes. */
	get describedKinds(): readonly TrackKind[] {
		return this.#describedKinds;
	}

	/** True when it has sent usable pictures or sound. */
	get hasUsableMedia(): boolean {
		return this.#videoUnitCount + this.#audioUnitCount > 0;
	}

	/** Why it ended; undefined while it publishes. */
	get endReason(): PublisherEndReason | undefined {
		return this.#endReason;
	}

	/** True when the encoder announced the end of its sequence and sent nothing since: its disconnect is a clean stop. */
	get isSequenceEnded(): boolean {
		return this.#isSequenceEnded;
	}

	get statistics(): RtmpPublisherStatistics {
		return {
			bytesReceived: this.#deps.readBytesReceived(),
			videoUnitCount: this.#videoUnitCount,
			keyFrameCount: this.#keyFrameCount,
			audioUnitCount: this.#audioUnitCount,
			ignoredTagCount: this.#ignoredTagCount,
			lastIgnoredTag: this.#lastIgnoredTag,
		};
	}

	/** Sends the encoder the reason where RTMP can carry it. Resolves when the connection is gone. Idempotent. */
	close(reason: PublisherEndReason): Promise<void> {
		return this.#deps.requestClose(reason);
	}

	/** Called by the session only. */
	receiveMedia(kind: TrackKind, message: { timestampMs: number; payload: Uint8Array }): void {
		if (this.#endReason !== undefined) {
			return;
		}
		const { timestampMs, payload } = message;
		this.#demuxer[kind]({ timestampMs, payload, arrivedAtMs: this.#deps.clock.monotonicMs() });
	}

	/** Called by the session only. */
	receiveMetadata(metadata: Readonly<Record<string, string | number | boolean>>): void {
		if (this.#endReason !== undefined) {
			return;
		}
		const encoder = metadata['encoder'];
		if (typeof encoder === 'string' && encoder !== '') {
			this.#encoderName = encoder;
		}
		this.#describedKinds = describedKinds(metadata);
		this.emit('metadata', metadata);
	}

	/** Called by the session for a message that cannot be read but is no reason to end the connection. */
	ignoreMessage(code: TrackProblemCode | undefined, detail: string): void {
		this.#ignoredTagCount++;
		this.#lastIgnoredTag = code === undefined ? detail : `${code}: ${detail}`;
		if (code !== undefined) {
			this.#problems.record(code, detail);
		}
	}

	/** Called by the session only, when it closes. */
	end(reason: PublisherEndReason): void {
		if (this.#endReason === undefined) {
			this.#endReason = reason;
			this.emit('closed', reason);
		}
	}

	#emitUnit(unit: RtmpMediaUnit): void {
		// A listener may have closed it in the middle of a multitrack message.
		if (this.#endReason !== undefined) {
			return;
		}
		this.#isSequenceEnded = false;
		if (unit.kind === 'audio') {
			this.#audioUnitCount++;
		} else {
			this.#videoUnitCount++;
			this.#keyFrameCount += unit.isKeyFrame ? 1 : 0;
		}
		this.emit('mediaUnit', unit);
	}
}

/** FFmpeg omits the fields of a track that it does not send; OBS always writes all. */
function describedKinds(metadata: Readonly<Record<string, unknown>>): TrackKind[] {
	const has = (...names: string[]): boolean => names.some((name) => Number(metadata[name] ?? 0) > 0);
	return [
		...(has('width', 'videocodecid', 'videodatarate') ? (['video'] as const) : []),
		...(has('audiosamplerate', 'audiocodecid', 'audiodatarate') ? (['audio'] as const) : []),
	];
}
