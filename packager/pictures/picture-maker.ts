/** Makes still pictures of key frames: one process at a time, for all channels and videos of this server. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { toAnnexB } from '../../core/media/h264.ts';
import { nutClockRate, nutFrameHeader, nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import type { PictureSize } from '../recording/storyboard.ts';
import type { KeyFrame } from './key-frame.ts';
import { jpegArguments, pictureArguments } from './picture-arguments.ts';
import { runPictures } from './picture-process.ts';
import { Sheet } from './sheet.ts';

/** A key frame and the place that its picture has. */
export type PlacedKeyFrame = { place: number; keyFrame: KeyFrame };

type SheetInput = {
	frames: AsyncIterable<PlacedKeyFrame>;
	tile: PictureSize;
	columns: number;
	rows: number;
	/** Pictures on the sheet. Places count from 0; {@link BEFORE_SHEET} is the picture before the first. */
	count: number;
};

export const BEFORE_SHEET = -1;

/** A still takes a tenth of a second of CPU, at the lowest priority. */
const STILLS_TIMEOUT_MS = 15_000;
/** A sheet of a 1080p source takes some 4 s of CPU. Its key frames come from the store meanwhile. */
const SHEET_TIMEOUT_MS = 180_000;

export class PictureMaker {
	readonly #clock: Clock;
	/** The end of the last run in the queue. */
	#turn: Promise<unknown> = Promise.resolve();

	constructor({ clock }: { clock: Clock }) {
		this.#clock = clock;
	}

	/**
	 * For each size, JPEGs by place; without those that cannot be decoded. A second size costs next to nothing. Throws
	 * TRANSCODER_FAILED when FFmpeg fails or hangs, or nothing can be decoded.
	 */
	async stills(
		frames: Iterable<PlacedKeyFrame> | AsyncIterable<PlacedKeyFrame>,
		sizes: readonly PictureSize[],
		signal: AbortSignal,
	): Promise<ReadonlyArray<ReadonlyMap<number, Uint8Array>>> {
		const stills = sizes.map(() => new Map<number, Uint8Array>());
		await this.#inTurn(signal, () =>
			this.#decode(frames, sizes, 'jpeg', signal, (place, bytes, index) => stills[index]!.set(place, bytes)),
		);
		return stills;
	}

	/** One JPEG of many pictures. A place without one shows the picture before. Throws as {@link stills}. */
	async sheet({ frames, tile, columns, rows, count }: SheetInput, signal: AbortSignal): Promise<Uint8Array> {
		const sheet = new Sheet({ tile, columns, rows });
		await this.#inTurn(signal, async () => {
			let next = 0;
			let last: Uint8Array | undefined;
			await this.#decode(frames, [tile], 'raw', signal, (place, picture) => {
				// Places before the first picture of all show that one.
				for (; next < place; next++) {
					sheet.put(next, last ?? picture);
				}
				last = picture;
			});
			for (; next < count; next++) {
				sheet.put(next, last!);
			}
		});
		const jpegs: Uint8Array[] = [];
		await this.#inTurn(signal, () =>
			runPictures(this.#clock, {
				arguments: jpegArguments(sheet.size),
				input: [sheet.bytes],
				onPicture: (bytes) => jpegs.push(bytes),
				timeoutMs: STILLS_TIMEOUT_MS,
				signal,
			}),
		);
		if (jpegs.length !== 1) {
			throw nothingDecoded();
		}
		return jpegs[0]!;
	}

	async #decode(
		frames: Iterable<PlacedKeyFrame> | AsyncIterable<PlacedKeyFrame>,
		sizes: readonly PictureSize[],
		form: 'jpeg' | 'raw',
		signal: AbortSignal,
		onPicture: (place: number, bytes: Uint8Array, sizeIndex: number) => void,
	): Promise<void> {
		let count = 0;
		await runPictures(this.#clock, {
			arguments: pictureArguments(sizes, form),
			input: toNut(frames),
			onPicture: (bytes, seconds, sizeIndex) => {
				count++;
				onPicture(Math.round(seconds) - FIRST_SECONDS, bytes, sizeIndex);
			},
			timeoutMs: form === 'raw' ? SHEET_TIMEOUT_MS : STILLS_TIMEOUT_MS,
			signal,
		});
		if (count === 0) {
			throw nothingDecoded();
		}
	}

	/** Leaves the queue when it is given up, whatever runs before it. */
	async #inTurn(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
		signal.throwIfAborted();
		const before = this.#turn;
		const waited = new AbortController();
		const givenUp = new Promise<void>((resolve) => {
			signal.addEventListener('abort', () => resolve(), { signal: waited.signal });
		});
		const done = Promise.race([before, givenUp]).then(() => {
			waited.abort();
			signal.throwIfAborted();
			return work();
		});
		this.#turn = Promise.allSettled([before, done]);
		await done;
	}
}

/** Time of place 0; a picture has its place as its time in seconds, and no time is negative. */
const FIRST_SECONDS = 10;

/** Each key frame has its parameter sets with it, so that the size may change between them. */
async function* toNut(
	frames: Iterable<PlacedKeyFrame> | AsyncIterable<PlacedKeyFrame>,
): AsyncGenerator<Uint8Array, void> {
	let hasHeader = false;
	for await (const { place, keyFrame } of frames) {
		const { config, bytes } = keyFrame;
		if (!hasHeader) {
			hasHeader = true;
			yield nutStreamHeader(config, 1);
		}
		const startCode = Uint8Array.of(0, 0, 0, 1);
		const sets = [...config.sps, ...config.pps].flatMap((nal) => [startCode, nal]);
		const picture = Buffer.concat([...sets, toAnnexB(bytes)]);
		const timeTicks = (place + FIRST_SECONDS) * nutClockRate(config);
		yield Buffer.concat([nutFrameHeader(timeTicks, true, picture.length), picture]);
	}
}

function nothingDecoded(): SpillwayError {
	return new SpillwayError('TRANSCODER_FAILED', ['no picture came out', 'there is none that it can decode']);
}
