/** A WHIP publisher's transport for tests: sends numbered pictures and sound as RTP on demand. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { PublisherTransport, PublisherTransportEvents } from '../../sfu/publisher/publisher-transport.ts';
import { createRtpHeader } from '../../core/wire/rtp/rtp-packet.ts';
import { PICTURE_TICKS, picturePayloads } from '../../sfu/testing/numbered-pictures.ts';
import type { WhipTransport } from '../whip/whip-publisher.ts';

const SOUND_TICKS = 1600;

export class FakeWhipTransport extends TypedEmitter<PublisherTransportEvents> implements WhipTransport {
	readonly tracks = [
		{ kind: 'audio', codec: 'opus' },
		{ kind: 'video', codec: 'h264' },
	] as unknown as PublisherTransport['tracks'];
	keyFrameRequestCount = 0;
	#videoSequence = 65_530;
	#layerSequence = 65_520;
	#next = 0;

	/** One picture, and the sound of the same time. */
	send(isKeyFrame: boolean): void {
		const payloads = picturePayloads(this.#next, isKeyFrame);
		const videoTicks = 4_294_960_000 + this.#next * PICTURE_TICKS;
		payloads.forEach((payload, index) => {
			this.#emitPacket('video', payload, this.#videoSequence++, videoTicks, index === payloads.length - 1);
		});
		this.#emitPacket('audio', Buffer.of(0xfc, 1), this.#next, this.#next * SOUND_TICKS, false);
		this.#next++;
	}

	/** The newest picture again, as one of a simulcast layer. `lost`: numbers that are left out. */
	sendLayer(layer: number, isKeyFrame: boolean, lost = 0): void {
		const payloads = picturePayloads(this.#next - 1, isKeyFrame);
		this.#layerSequence += lost;
		payloads.forEach((payload, index) => {
			const header = {
				...createRtpHeader(),
				hasMarker: index === payloads.length - 1,
				sequenceNumber: this.#layerSequence++ % 2 ** 16,
				timestampTicks: (4_294_960_000 + (this.#next - 1) * PICTURE_TICKS) % 2 ** 32,
				payloadStart: 0,
				payloadEnd: payload.length,
			};
			this.emit('layerPacket', layer, payload, header);
		});
	}

	requestKeyFrame(): void {
		this.keyFrameRequestCount++;
	}

	close(): Promise<void> {
		return Promise.resolve();
	}

	#emitPacket(kind: TrackKind, payload: Buffer, sequence: number, ticks: number, hasMarker: boolean): void {
		const header = {
			...createRtpHeader(),
			hasMarker,
			sequenceNumber: sequence % 2 ** 16,
			timestampTicks: ticks % 2 ** 32,
			payloadStart: 0,
			payloadEnd: payload.length,
		};
		this.emit('packet', kind, payload, header);
	}
}
