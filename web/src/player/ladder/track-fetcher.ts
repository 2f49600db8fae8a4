/** Finds and loads the parts of a channel's tracks: playlists, init segments, and parts with what they depend on. */
import { concatBytes, type HttpAnswer, type HttpRequest, type Progress } from './http-request.ts';
import { decodeTimeTicks, firstSyncSample, lastSampleTicks, squeeze } from './fragment-bytes.ts';
import { TrackPlaylist, type ListedPart, type ListedSegment } from './track-playlist.ts';

/** A part of a track, or a whole segment. All tracks of one kind have the same. */
export type PartPosition = {
	mediaSequence: number;
	/** Undefined: the whole segment. */
	partIndex: number | undefined;
	durationSeconds: number;
};

/** The picture that was loaded last. */
export type LoadedPicture = {
	playlistUrl: string;
	position: PartPosition;
	/** When its last picture is shown, and where it ends; ticks of the track. */
	lastSampleTicks: number | undefined;
	endTicks: number | undefined;
};

export type LoadOptions = {
	signal: AbortSignal;
	onProgress?: ((progress: Progress) => void) | undefined;
	/** Only so many bytes from the start. */
	byteCount?: number;
};

/** The track has no such part, or not the same one as the others. */
export class NoSuchPartError extends Error {
	override readonly name = 'NoSuchPartError';
}

/** The clock of pictures. */
export const TICKS_PER_SECOND = 90_000;
/** A delta update leaves out nothing of so many segments (six target durations). */
const DELTA_SEGMENTS = 4;
/** Two tracks' borders may differ by rounding. */
const SAME_SECONDS = 0.004;
const MAX_INITS = 64;
/** The first box of a part has the times; it takes less. */
const HEAD_BYTES = 4096;

export class TrackFetcher {
	readonly #request: HttpRequest;
	readonly #lists = new Map<string, TrackPlaylist>();
	readonly #inits = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

	constructor(request: HttpRequest) {
		this.#request = request;
	}

	list(playlistUrl: string): TrackPlaylist {
		const list = this.#lists.get(playlistUrl) ?? new TrackPlaylist(playlistUrl);
		this.#lists.set(playlistUrl, list);
		return list;
	}

	/** Forgets tracks that the channel does not have any more. */
	keepOnly(playlistUrls: readonly string[]): void {
		for (const url of this.#lists.keys()) {
			if (!playlistUrls.includes(url)) {
				this.#lists.delete(url);
			}
		}
	}

	/** Loads a playlist with these `_HLS_…` parameters, except that a delta update is used only when it can be. */
	async loadPlaylist(playlistUrl: string, directives: URLSearchParams, options: LoadOptions): Promise<HttpAnswer> {
		const list = this.list(playlistUrl);
		const query = new URLSearchParams(directives);
		const [newest, wanted] = [list.newest?.mediaSequence ?? -Infinity, Number(query.get('_HLS_msn'))];
		if (newest < wanted - DELTA_SEGMENTS) {
			query.delete('_HLS_skip');
		}
		for (;;) {
			const url = new URL(playlistUrl);
			query.forEach((value, name) => url.searchParams.set(name, value));
			const answer = await this.#request(url.href, options);
			if (list.apply(new TextDecoder().decode(answer.bytes)) || !query.has('_HLS_skip')) {
				return answer;
			}
			query.delete('_HLS_skip');
		}
	}

	/** Loads an init segment, each once. Continues when the part that needs it is given up. */
	init(url: string): Promise<Uint8Array<ArrayBuffer>> {
		const known = this.#inits.get(url);
		if (known !== undefined) {
			return known;
		}
		const loading = this.#request(url, { signal: new AbortController().signal }).then(({ bytes }) => bytes);
		this.#inits.set(url, loading);
		loading.catch(() => this.#inits.delete(url));
		if (this.#inits.size > MAX_INITS) {
			this.#inits.delete([...this.#inits.keys()][0]!);
		}
		return loading;
	}

	/**
	 * The bytes of a part of the picture for the decoder: with its init segment where a key frame begins, and after
	 * another track with the unseen pictures that it depends on.
	 */
	async loadPicture(
		playlistUrl: string,
		position: PartPosition,
		last: LoadedPicture | undefined,
		options: LoadOptions,
	): Promise<{ bytes: Uint8Array<ArrayBuffer>; loaded: LoadedPicture }> {
		const { segment, part, url } = await this.#find(playlistUrl, position, options);
		const isNext = last !== undefined && follows(last.position, position);
		const continues = isNext && last.playlistUrl === playlistUrl;
		const fromTicks = isNext && !continues ? last.lastSampleTicks : undefined;
		const isKeyExpected = position.partIndex === undefined || position.partIndex === 0 || part?.isIndependent === true;
		const unseenEarly =
			fromTicks === undefined || isKeyExpected ? undefined : this.#loadUnseen(segment, position, options);
		// Both are awaited below; a failure of one must not leave the other unhandled.
		unseenEarly?.catch(() => undefined);
		const { bytes } = await this.#request(url, options);
		const sync = firstSyncSample(bytes);
		const startTicks = decodeTimeTicks(bytes);
		const loaded: LoadedPicture = {
			playlistUrl,
			position,
			lastSampleTicks: lastSampleTicks(bytes),
			endTicks: startTicks && startTicks + Math.round(position.durationSeconds * TICKS_PER_SECOND),
		};
		if (continues && sync !== 0) {
			return { bytes, loaded };
		}
		const init = segment.initUrl === undefined ? [] : [await this.init(segment.initUrl)];
		if (sync === 0 || fromTicks === undefined || startTicks === undefined) {
			return { bytes: concatBytes([...init, bytes]), loaded };
		}
		const unseen = await (unseenEarly ?? this.#loadUnseen(segment, position, options));
		const squeezed = squeeze(unseen, { fromTicks, untilTicks: startTicks }) ?? unseen;
		return { bytes: concatBytes([...init, ...squeezed, bytes]), loaded };
	}

	/** Where a part or segment of the picture begins, in ticks of the track, from its first bytes. */
	async startTicks(playlistUrl: string, position: PartPosition, options: LoadOptions): Promise<number | undefined> {
		const { url } = await this.#find(playlistUrl, position, options);
		const { bytes } = await this.#request(url, { ...options, byteCount: HEAD_BYTES });
		return decodeTimeTicks(bytes);
	}

	/** Address of the newest whole segment of a track. */
	async newestSegment(playlistUrl: string, options: LoadOptions): Promise<string> {
		const newest = (): string | undefined =>
			this.list(playlistUrl).segments.findLast(({ url }) => url !== undefined)?.url;
		if (newest() === undefined) {
			await this.loadPlaylist(playlistUrl, new URLSearchParams(), options);
		}
		const url = newest();
		if (url === undefined) {
			throw new NoSuchPartError(`${playlistUrl} has no segments.`);
		}
		return url;
	}

	/** Loads the addressed bytes as they are. */
	load(url: string, options: LoadOptions): Promise<HttpAnswer> {
		return this.#request(url, options);
	}

	// The parts from the last key frame before this one on.
	async #loadUnseen(segment: ListedSegment, { partIndex }: PartPosition, options: LoadOptions): Promise<Uint8Array[]> {
		const before = segment.parts.slice(0, partIndex);
		const from = Math.max(
			0,
			before.findLastIndex(({ isIndependent }) => isIndependent),
		);
		const answers = before.slice(from).map(({ url }) => this.#request(url, options));
		return (await Promise.all(answers)).map(({ bytes }) => bytes);
	}

	async #find(
		playlistUrl: string,
		position: PartPosition,
		options: LoadOptions,
	): Promise<{ segment: ListedSegment; part: ListedPart | undefined; url: string }> {
		const list = this.list(playlistUrl);
		const found = findIn(list, position);
		if (found !== undefined) {
			return found;
		}
		const directives = new URLSearchParams({ _HLS_msn: String(position.mediaSequence), _HLS_skip: 'YES' });
		if (position.partIndex !== undefined) {
			directives.set('_HLS_part', String(position.partIndex));
		}
		// Its progress is not the part's.
		await this.loadPlaylist(playlistUrl, directives, { signal: options.signal });
		const refound = findIn(list, position);
		if (refound === undefined) {
			throw new NoSuchPartError(`${playlistUrl} has no part ${position.mediaSequence}.${position.partIndex}.`);
		}
		return refound;
	}
}

/** True when this part or segment comes directly after that one. */
export function follows(last: PartPosition, next: PartPosition): boolean {
	if (next.mediaSequence === last.mediaSequence) {
		return last.partIndex !== undefined && next.partIndex === last.partIndex + 1;
	}
	return next.mediaSequence === last.mediaSequence + 1 && (next.partIndex ?? 0) === 0;
}

function findIn(
	list: TrackPlaylist,
	{ mediaSequence, partIndex, durationSeconds }: PartPosition,
): { segment: ListedSegment; part: ListedPart | undefined; url: string } | undefined {
	const segment = list.segment(mediaSequence);
	if (partIndex === undefined) {
		return segment?.url === undefined ? undefined : { segment, part: undefined, url: segment.url };
	}
	const part = segment?.parts[partIndex];
	if (segment === undefined || part === undefined) {
		return undefined;
	}
	if (part.isGap || Math.abs(part.durationSeconds - durationSeconds) > SAME_SECONDS) {
		throw new NoSuchPartError(`Part ${mediaSequence}.${partIndex} of ${list.url} is a gap, or another one.`);
	}
	return { segment, part, url: part.url };
}
