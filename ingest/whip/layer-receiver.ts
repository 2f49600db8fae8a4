/** One smaller simulcast layer of a WHIP publisher: its packets → configurations and units. H.264 only. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { joinLengthPrefixed } from '../../core/media/h264.ts';
import { ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { H264Depacketizer } from '../../sfu/rtp/h264-depacketizer.ts';
import { MAX_REORDER_MS, ReorderBuffer } from '../../sfu/rtp/reorder-buffer.ts';
import { H264Assembler } from '../bitstream/h264-assembler.ts';
import type { PublisherRtpPacket, PublisherUnit } from '../publisher/publisher.ts';
import type { PictureTimes } from './h264-receiver.ts';

/**
 * OBS 32 resends packets of its largest layer only (https://github.com/obsproject/obs-studio/issues/13161). So after
 * some packets that never came and none that came late, a gap is waited for no longer than the network reorders.
 */
const UNANSWERED_PACKETS = 3;
const REORDERED_MS = 30;

interface LayerSink {
	configure(config: VideoTrackConfig): void;
	unit(unit: PublisherUnit): void;
	/** Its pictures are broken until its next key frame. */
	damaged(): void;
}

export class LayerReceiver {
	readonly #sink: LayerSink;
	readonly #order: ReorderBuffer<PublisherRtpPacket>;
	readonly #depacketizer = new H264Depacketizer();
	readonly #assembler: H264Assembler<PictureTimes>;
	/** The newest packet of the incomplete picture. */
	#newest: PublisherRtpPacket | undefined;

	constructor({ clock, sink }: { clock: Clock; sink: LayerSink }) {
		this.#sink = sink;
		this.#order = new ReorderBuffer({
			clock,
			release: (packet, isAfterLoss) => this.#onOrdered(packet, isAfterLoss),
			maxWaitMs: () =>
				this.#order.lostCount >= UNANSWERED_PACKETS && this.#order.filledCount === 0 ? REORDERED_MS : MAX_REORDER_MS,
		});
		this.#assembler = new H264Assembler<PictureTimes>(
			{
				configure: (config) => sink.configure(config),
				picture: ({ nals, isKeyFrame, isRecoveryPoint, stamp }) => {
					const timeMs = ticksToMs(stamp.rtpTicks, VIDEO_CLOCK_RATE);
					sink.unit({
						kind: 'video',
						decodeTimeMs: timeMs,
						presentationTimeMs: timeMs,
						rtpTicks: stamp.rtpTicks,
						isKeyFrame,
						...(isRecoveryPoint ? { isRecoveryPoint: true } : {}),
						bytes: joinLengthPrefixed(nals),
						arrivedAtMs: stamp.arrivedAtMs,
					});
				},
				// The streamer is warned about the largest layer.
				problem: () => undefined,
			},
			{ provesFraming: false },
		);
	}

	receive(packet: PublisherRtpPacket): void {
		this.#order.push(packet.sequenceNumber, packet);
	}

	close(): void {
		this.#order.close();
	}

	#onOrdered(packet: PublisherRtpPacket, isAfterLoss: boolean): void {
		if (this.#newest !== undefined && packet.rtpTicks !== this.#newest.rtpTicks) {
			this.#finishPicture(this.#newest, false);
		}
		if (isAfterLoss) {
			this.#depacketizer.markLoss();
			this.#markLoss();
		}
		this.#newest = packet;
		this.#depacketizer.push(packet.payload);
		if (packet.hasMarker) {
			this.#finishPicture(packet, true);
		}
	}

	#finishPicture(newest: PublisherRtpPacket, isEnd: boolean): void {
		this.#newest = undefined;
		const nals = this.#depacketizer.take();
		if (nals === undefined) {
			this.#markLoss();
			return;
		}
		const timeMs = ticksToMs(newest.rtpTicks, VIDEO_CLOCK_RATE);
		this.#assembler.push({ nals, timeMs, stamp: newest, isEnd });
		if (!isEnd) {
			this.#assembler.flush();
		}
	}

	#markLoss(): void {
		this.#assembler.markLoss();
		this.#sink.damaged();
	}
}
