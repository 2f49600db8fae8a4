/**
 * Makes a broadcast look hours old to one page: its playlists for rewinding get looped older segments, which the page
 * gets from here. The bytes are the broadcast's own with other decode times, so a jump to them costs the player what a
 * jump in a real archive costs. What the server's store takes for a segment is not in it.
 */
import type { Page, Route } from 'playwright-core';

/** Loops of so many segments. */
const LOOP_COUNT = 3;
const OLD_SEGMENT = /\/old(\d+)\.m4s$/;

type Looped = {
	bytes: Buffer;
	/** From the start of the loop. */
	offsetTicks: bigint;
	durationTicks: bigint;
	firstTicks: bigint;
};

type TrackLoop = { segments: Looped[]; timescale: number; text: string };

export async function addLongArchive(page: Page, olderSeconds: number): Promise<void> {
	const loops = new Map<string, Promise<TrackLoop>>();
	const loopOf = (playlistUrl: URL, text: string): Promise<TrackLoop> => {
		const key = playlistUrl.pathname;
		const known = loops.get(key) ?? readLoop(playlistUrl, text, olderSeconds);
		loops.set(key, known);
		return known;
	};
	await page.route(/\/hls\/[^/]+\/[^/]+\/[^/]+\/dvr\.m3u8/, async (route) => {
		const response = await route.fetch();
		const text = await response.text();
		const url = new URL(route.request().url());
		if (!response.ok() || text.split('#EXTINF:').length <= LOOP_COUNT + 1) {
			// As if the broadcast had just begun.
			await route.fulfill({ status: 503, headers: { 'retry-after': '1' } });
			return;
		}
		const { text: older } = await loopOf(url, text);
		await route.fulfill({ response, body: joinPlaylists(older, text) });
	});
	await page.route(OLD_SEGMENT, (route) => sendOldSegment(route, loops));
}

async function sendOldSegment(route: Route, loops: ReadonlyMap<string, Promise<TrackLoop>>): Promise<void> {
	const url = new URL(route.request().url());
	const number = Number(OLD_SEGMENT.exec(url.pathname)![1]);
	const { segments } = await loops.get(url.pathname.replace(OLD_SEGMENT, '/dvr.m3u8'))!;
	const { bytes, firstTicks } = segments[number % segments.length]!;
	const body = Buffer.from(bytes);
	moveDecodeTimes(body, startTicks(segments, number) - firstTicks);
	await route.fulfill({ body, contentType: 'video/mp4' });
}

/** Reads the first segments of a track, and writes the lines of the older ones. */
async function readLoop(playlistUrl: URL, text: string, olderSeconds: number): Promise<TrackLoop> {
	const names = text.split('\n').filter((line) => /^segment\d+\.m4s$/.test(line));
	const initUri = /#EXT-X-MAP:URI="([^"]+)"/.exec(text)![1]!;
	const load = async (uri: string): Promise<Buffer> =>
		Buffer.from(await (await fetch(new URL(uri, playlistUrl))).arrayBuffer());
	const timescale = readTimescale(await load(initUri));
	const files = await Promise.all(names.slice(0, LOOP_COUNT + 1).map(load));
	const starts = files.map((bytes) => bytes.readBigUInt64BE(decodeTimePlaces(bytes)[0]!));
	const segments = files.slice(0, LOOP_COUNT).map((bytes, index): Looped => ({
		bytes,
		firstTicks: starts[index]!,
		offsetTicks: starts[index]! - starts[0]!,
		durationTicks: starts[index + 1]! - starts[index]!,
	}));
	const firstDateMs = Date.parse(/#EXT-X-PROGRAM-DATE-TIME:(.*)/.exec(text)![1]!);
	const seconds = (ticks: bigint): number => Number(ticks) / timescale;
	const count = Math.ceil(olderSeconds / seconds(loopTicks(segments))) * LOOP_COUNT;
	const beginMs = firstDateMs - seconds(startTicks(segments, count)) * 1000;
	const lines = Array.from({ length: count }, (_, number) => {
		const date = new Date(beginMs + seconds(startTicks(segments, number)) * 1000).toISOString();
		const duration = seconds(segments[number % LOOP_COUNT]!.durationTicks).toFixed(8);
		return `#EXT-X-PROGRAM-DATE-TIME:${date}\n#EXTINF:${duration},\nold${number}.m4s\n`;
	});
	return { segments, timescale, text: `#EXT-X-MAP:URI="${initUri}"\n${lines.join('')}#EXT-X-DISCONTINUITY\n` };
}

/** Whole playlists only: a delta update would leave out what the page does not have. */
function joinPlaylists(older: string, text: string): string {
	const first = text.search(/#EXT-X-MAP:|#EXT-X-PROGRAM-DATE-TIME:/);
	const head = text.slice(0, first).replace(/CAN-SKIP-UNTIL=[^,\n]*,?/, '');
	return head.replace(/#EXT-X-MEDIA-SEQUENCE:\d+/, '#EXT-X-MEDIA-SEQUENCE:1') + older + text.slice(first);
}

function loopTicks(segments: readonly Looped[]): bigint {
	return segments.reduce((sum, { durationTicks }) => sum + durationTicks, 0n);
}

function startTicks(segments: readonly Looped[], number: number): bigint {
	const { offsetTicks } = segments[number % segments.length]!;
	return BigInt(Math.floor(number / segments.length)) * loopTicks(segments) + offsetTicks;
}

function moveDecodeTimes(bytes: Buffer, byTicks: bigint): void {
	for (const place of decodeTimePlaces(bytes)) {
		bytes.writeBigUInt64BE(bytes.readBigUInt64BE(place) + byTicks, place);
	}
}

/** Of the 64-bit base media decode times (ISO/IEC 14496-12 §8.8.12), in order. */
function decodeTimePlaces(bytes: Buffer): number[] {
	return boxes(bytes, 0, bytes.length)
		.filter(({ type }) => type === 'moof')
		.flatMap((moof) => boxes(bytes, moof.start, moof.end).filter(({ type }) => type === 'traf'))
		.flatMap((traf) => boxes(bytes, traf.start, traf.end).filter(({ type }) => type === 'tfdt'))
		.map(({ start }) => start + 4);
}

function readTimescale(init: Buffer): number {
	let range = { start: 0, end: init.length };
	for (const name of ['moov', 'trak', 'mdia', 'mdhd']) {
		range = boxes(init, range.start, range.end).find(({ type }) => type === name)!;
	}
	const isLong = init.readUInt8(range.start) === 1;
	return init.readUInt32BE(range.start + (isLong ? 20 : 12));
}

/** The boxes of a range: their contents, after the header. */
function boxes(bytes: Buffer, from: number, to: number): Array<{ type: string; start: number; end: number }> {
	const found: Array<{ type: string; start: number; end: number }> = [];
	for (let at = from; at + 8 <= to; at += Math.max(8, bytes.readUInt32BE(at))) {
		const end = Math.min(to, at + bytes.readUInt32BE(at));
		found.push({ type: bytes.toString('latin1', at + 4, at + 8), start: at + 8, end });
	}
	return found;
}
