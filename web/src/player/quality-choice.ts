/**
 * The viewer's choice of quality, in both tiers: remembers it, lists the pictures of the WebRTC tier, and asks the
 * server for one of them.
 */
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import { shortSide } from '../../../core/media/rung.ts';
import { SHOWN_RUNGS, type ShownRung } from '../../../core/protocol/ladder-choice.ts';
import type { PictureWish, ViewerPicture } from '../../../core/protocol/signaling/signaling-messages.ts';
import { ListedQualities, SOUND_ONLY, type Quality, type QualityPreference } from './playback/quality.ts';
import type { ScreenPlace } from './screen-place.ts';
import { readQuality, writeQuality } from './viewer-memory.ts';

export class QualityChoice {
	/** Of the WebRTC tier. */
	readonly webrtc: ListedQualities;
	#preference: QualityPreference = readQuality();
	/** The player's place on the screen. */
	#place: ScreenPlace | undefined;
	/** Of the picture over WebRTC; undefined while it is not known. */
	#shape: { widthPixels: number; heightPixels: number } | undefined;
	#wish: ((wish: PictureWish) => void) | undefined;
	#wished: PictureWish | undefined;
	/** From the best down. */
	#pictures: readonly Quality[] = [];
	/** They are those that the server reports. */
	#hasReport = false;
	#hasSound = false;
	/** The broadcast has sound only, as far as known. */
	#isWithoutPicture = false;

	constructor() {
		this.webrtc = new ListedQualities(this.#preference, () => this.#sendWish());
	}

	get preference(): QualityPreference {
		return this.#preference;
	}

	/** Sends wishes from now on. */
	start(wish: (wish: PictureWish) => void): void {
		this.#wish = wish;
		if (this.#wished !== undefined) {
			wish(this.#wished);
		}
	}

	/** For this channel and all others; undefined: automatic. The playbacks' owner applies it to them. */
	choose(chosen: Quality | undefined): void {
		this.#preference = chosen && {
			kind: chosen.kind,
			heightPixels: chosen.heightPixels,
			frameRate: chosen.frameRate,
			isSource: chosen.isSource,
		};
		writeQuality(this.#preference);
		this.webrtc.prefer(this.#preference);
	}

	screenChanged(place: ScreenPlace): void {
		this.#place = place;
		this.#sendWish();
	}

	/** What the server sends over WebRTC, and what of it. */
	pictureReported({ rungs, shown }: ViewerPicture): void {
		this.#hasReport = rungs.length > 0;
		this.#shape = rungs.findLast(({ widthPixels }) => widthPixels > 0) ?? this.#shape;
		this.#pictures = rungs.toReversed().map(({ rung, frameRate, ...size }): Quality => ({
			id: rung,
			kind: 'picture',
			heightPixels: shortSide(size),
			frameRate,
			isSource: rung === 'source',
		}));
		this.#list(shown);
		this.#sendWish();
	}

	/** Until the server reports its pictures, the publisher's is the only one. */
	channelReported({ video, legs }: Pick<ChannelDescription, 'video' | 'legs'>): void {
		this.#hasSound = legs.some(({ track }) => track === 'audio');
		const wasWithoutPicture = this.#isWithoutPicture;
		this.#isWithoutPicture = video === null && this.#hasSound && legs.every(({ track }) => track === 'audio');
		if (this.#isWithoutPicture !== wasWithoutPicture) {
			this.#list(null);
		}
		if (video !== null && !this.#hasReport) {
			this.#shape = video;
			const heightPixels = shortSide(video);
			const { frameRate } = video;
			this.#pictures = [{ id: 'source', kind: 'picture', heightPixels, frameRate, isSource: true }];
			this.#list('source');
		}
	}

	/** Of the picture on the screen: it fills the place's height or its width. */
	get #heightPixels(): number | undefined {
		if (this.#place === undefined || this.#shape === undefined) {
			return this.#place?.heightPixels;
		}
		const { widthPixels, heightPixels } = this.#shape;
		return Math.round(Math.min(this.#place.heightPixels, (this.#place.widthPixels * heightPixels) / widthPixels));
	}

	#list(shown: string | null): void {
		if (this.#isWithoutPicture) {
			this.webrtc.list([], SOUND_ONLY);
			return;
		}
		const soundOnly = this.#hasSound && this.#pictures.length > 0 ? [SOUND_ONLY] : [];
		this.webrtc.list(
			[...this.#pictures, ...soundOnly],
			this.#pictures.find(({ id }) => id === shown),
		);
	}

	#sendWish(): void {
		const { quality } = this.webrtc;
		const chosen = quality?.kind === 'sound-only' ? 'audio' : SHOWN_RUNGS.find((rung) => rung === quality?.id);
		const wish: PictureWish = {
			...(chosen === undefined ? {} : { rung: chosen }),
			...(this.#heightPixels === undefined ? {} : { heightPixels: this.#heightPixels }),
		};
		if (wish.rung !== this.#wished?.rung || wish.heightPixels !== this.#wished?.heightPixels) {
			this.#wished = wish;
			this.#wish?.(wish);
		}
	}
}

/** As the server names what is played over LL-HLS; undefined where it has no name. */
export function shownRung(quality: Quality | undefined): ShownRung | undefined {
	if (quality === undefined || quality.kind !== 'picture') {
		return undefined;
	}
	return quality.isSource ? 'source' : SHOWN_RUNGS.find((rung) => rung.startsWith(`${quality.heightPixels}p`));
}
