/** Pictures and sounds for tests that carry their own numbers, so that received ones can be compared with sent ones. */
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { RungName, ShownRung } from '../../core/protocol/ladder-choice.ts';
import type { Stage } from '../stage/stage.ts';

/** 30 pictures a second. */
export const PICTURE_TICKS = 3000;
const PICTURE_MS = 1000 / 30;
/** SPS and PPS of 1280 × 720, constrained baseline, in one aggregation packet, as the stage sends them. */
const PARAMETER_SETS = Buffer.from(
	'7800 17 6742c01fda014016ec0440000003004000000f23c60ca8 0004 68ce0fc8'.replaceAll(' ', ''),
	'hex',
);

/** Of a packet's payload. */
const SLICE_BYTES = 1200;
/** So many times an ordinary picture's bytes. */
const KEY_FRAME_SIZE = 5;

function withNumber(head: number, number: number, bytes: number): Buffer {
	const payload = Buffer.alloc(Math.max(5, bytes), 0xaa);
	payload[0] = head;
	payload.writeUInt32BE(number, 1);
	return payload;
}

/** Payloads of one picture: parameter sets and an IDR slice, or a slice of another type. */
export function picturePayloads(number: number, isKeyFrame: boolean, bytes = 200): Buffer[] {
	return isKeyFrame ? [PARAMETER_SETS, withNumber(0x65, number, bytes)] : [withNumber(0x41, number, bytes)];
}

/** The same as slices that fill packets, as an encoder's pictures do. */
function slicedPayloads(number: number, isKeyFrame: boolean, bytes: number): Buffer[] {
	const count = Math.max(1, Math.ceil(bytes / SLICE_BYTES));
	const slices = Array.from({ length: count }, () =>
		withNumber(isKeyFrame ? 0x65 : 0x41, number, Math.round(bytes / count)),
	);
	return isKeyFrame ? [PARAMETER_SETS, ...slices] : slices;
}

/** The number of the picture to which a payload belongs; undefined for parameter sets and other payloads. */
function pictureNumber(payload: Buffer): number | undefined {
	return payload.length >= 5 && (payload[0] === 0x65 || payload[0] === 0x41) ? payload.readUInt32BE(1) : undefined;
}

/** Numbers of the pictures in these packets, in the order of arrival. */
export function pictureNumbers(packets: readonly { payload: Buffer }[]): number[] {
	return packets.map(({ payload }) => pictureNumber(payload)).filter((number) => number !== undefined);
}

/** Feeds a stage with pictures of our own packetising, in real time. */
export class PictureFeed implements Disposable {
	/** The number of the next picture. */
	next = 0;
	/** Rungs that are fed as well, with the same pictures. */
	rungs: readonly RungName[] = [];
	/** Bits a second of the layers whose pictures have real sizes; the others' are tiny. */
	rates: Partial<Record<ShownRung, number>> = {};
	readonly #stage: Stage;
	readonly #gopPictures: number;
	readonly #startMs = systemClock.monotonicMs();
	readonly #startEpochMs = systemClock.nowMs();
	readonly #stopTimer: () => void;

	/** `gopPictures`: distance of key frames, which are the multiples of it. */
	constructor(stage: Stage, gopPictures: number) {
		this.#stage = stage;
		this.#gopPictures = gopPictures;
		this.#stopTimer = systemClock.setInterval(() => this.#feed(), 10);
	}

	/** The number of the newest key frame. */
	get newestKeyFrame(): number {
		return Math.floor((this.next - 1) / this.#gopPictures) * this.#gopPictures;
	}

	[Symbol.dispose](): void {
		this.#stopTimer();
	}

	#feed(): void {
		while (this.#startMs + this.next * PICTURE_MS <= systemClock.monotonicMs()) {
			const number = this.next++;
			const isKeyFrame = number % this.#gopPictures === 0;
			// Exactly as the timestamps: mediasoup aligns layers by it.
			const captureTimeMs = this.#startEpochMs + number * PICTURE_MS;
			const picture = (name: ShownRung): Parameters<Stage['video']['writePicture']>[0] => ({
				payloads: this.#payloads(name, number, isKeyFrame),
				isKeyFrame,
				timelineTicks: 900_000 + number * PICTURE_TICKS,
				captureTimeMs,
			});
			this.#stage.video.writePicture(picture('source'));
			for (const rung of this.rungs) {
				this.#stage.video.layers.writeRung(rung, picture(rung));
			}
			this.#stage.audio.writeFrame({
				bytes: withNumber(0xfc, number, 5),
				timelineTicks: 480_000 + number * 1600,
				captureTimeMs,
			});
		}
	}

	#payloads(name: ShownRung, number: number, isKeyFrame: boolean): Buffer[] {
		const rateBps = this.rates[name];
		if (rateBps === undefined) {
			return picturePayloads(number, isKeyFrame);
		}
		const gopBytes = (rateBps / 8) * ((this.#gopPictures * PICTURE_MS) / 1000);
		const bytes = gopBytes / (this.#gopPictures - 1 + KEY_FRAME_SIZE);
		return slicedPayloads(number, isKeyFrame, isKeyFrame ? KEY_FRAME_SIZE * bytes : bytes);
	}
}
