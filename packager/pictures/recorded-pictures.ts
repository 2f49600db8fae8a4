/** Posters and sheets of storyboards, made from what is in the store. */
import { SpillwayError } from '../../core/errors/errors.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { readVideoConfig } from '../cmaf/init-reader.ts';
import { recordedObjectName } from '../recording/journal-entry.ts';
import { planSheet, type PictureSlot, type PictureSize, type StoryboardPlan } from '../recording/storyboard.ts';
import { segmentName } from '../rendition/segment.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { locateKeyFrame, type KeyFrame } from './key-frame.ts';
import { BEFORE_SHEET, type PictureMaker, type PlacedKeyFrame } from './picture-maker.ts';

type RecordedPicturesDependencies = { store: Pick<ObjectStore, 'get'>; maker: PictureMaker };

/** Key frames of rungs are smaller. A larger one is loaded in two steps. */
const FIRST_BYTES = 64 * 1024;
/** No picture of 4K is larger. */
const MAX_KEY_FRAME_BYTES = 8 * 2 ** 20;

export class RecordedPictures {
	readonly #deps: RecordedPicturesDependencies;

	constructor(deps: RecordedPicturesDependencies) {
		this.#deps = deps;
	}

	/** The JPEG of a sheet; `number` counts from 1. Throws TRANSCODER_FAILED and what the store throws. */
	sheet(videoId: string, plan: StoryboardPlan, number: number, signal: AbortSignal): Promise<Uint8Array> {
		const { slots, before, columns, rows } = planSheet(plan, number);
		const placed = slots.map((slot, place) => ({ place, slot }));
		// Only where the sheet does not begin with a picture of its own.
		const all = slots[0]!.length > 0 ? placed : [{ place: BEFORE_SHEET, slot: before }, ...placed];
		const frames = this.#read(videoId, all, signal);
		return this.#deps.maker.sheet({ frames, tile: plan.tile, columns, rows, count: slots.length }, signal);
	}

	/**
	 * The JPEG that is the poster: the largest of all. One that is black, blurred or of one colour is smaller than one
	 * that shows something. Throws as {@link sheet}.
	 */
	async poster(
		videoId: string,
		{ slots, size }: { slots: readonly PictureSlot[]; size: PictureSize },
		signal: AbortSignal,
	): Promise<Uint8Array> {
		const placed = slots.map((slot, place) => ({ place, slot }));
		const stills = await this.#deps.maker.stills(this.#read(videoId, placed, signal), size, signal);
		return [...stills.values()].reduce((best, still) => (still.length > best.length ? still : best));
	}

	async *#read(
		videoId: string,
		slots: readonly { place: number; slot: PictureSlot }[],
		signal: AbortSignal,
	): AsyncGenerator<PlacedKeyFrame, void> {
		const configs = new Map<string, VideoTrackConfig | undefined>();
		for (const { place, slot } of slots) {
			const keyFrame = await this.#readFirst(videoId, slot, configs, signal);
			if (keyFrame !== undefined) {
				yield { place, keyFrame };
			}
		}
	}

	/** Of the first segment that begins with a key frame. */
	async #readFirst(
		videoId: string,
		slot: PictureSlot,
		configs: Map<string, VideoTrackConfig | undefined>,
		signal: AbortSignal,
	): Promise<KeyFrame | undefined> {
		for (const { trackId, mediaSequence, initName } of slot) {
			signal.throwIfAborted();
			const key = `${trackId}/${initName}`;
			if (!configs.has(key)) {
				const init = await this.#get(recordedObjectName(videoId, trackId, initName));
				configs.set(key, init && readVideoConfig(init));
			}
			const config = configs.get(key);
			const bytes =
				config && (await this.#readKeyFrame(recordedObjectName(videoId, trackId, segmentName(mediaSequence))));
			if (config !== undefined && bytes !== undefined) {
				return { config, bytes };
			}
		}
		return undefined;
	}

	async #readKeyFrame(name: string): Promise<Uint8Array | undefined> {
		const first = await this.#get(name, 0, FIRST_BYTES);
		const range = first && locateKeyFrame(first);
		if (first === undefined || range === undefined || range.endByte - range.startByte > MAX_KEY_FRAME_BYTES) {
			return undefined;
		}
		const { startByte, endByte } = range;
		if (endByte <= first.length) {
			return first.subarray(startByte, endByte);
		}
		const rest = await this.#get(name, first.length, endByte);
		const bytes = Buffer.concat([first.subarray(startByte), rest ?? first.subarray(0, 0)]);
		return bytes.length === endByte - startByte ? bytes : undefined;
	}

	/** Undefined for what is lost. */
	async #get(name: string, startByte = 0, endByte = FIRST_BYTES): Promise<Uint8Array | undefined> {
		try {
			return (await this.#deps.store.get(name, { startByte, endByte })).bytes;
		} catch (error) {
			if (error instanceof SpillwayError && error.code === 'OBJECT_NOT_FOUND') {
				return undefined;
			}
			throw error;
		}
	}
}
