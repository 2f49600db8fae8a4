/** Reads a video whole: every playlist, every segment, and whether its durations and dates add up. */

/** What one track of a video has. */
type CheckedTrack = {
	uri: string;
	segmentCount: number;
	gapCount: number;
	/** Of all entries, gaps included. */
	totalSeconds: number;
	/** Of gaps. */
	gapSeconds: number;
	discontinuityCount: number;
	bytes: number;
	/** Epoch milliseconds of the first and behind the last entry. */
	startsAtMs: number;
	endsAtMs: number;
	isComplete: boolean;
};

export type CheckedVideo = { tracks: CheckedTrack[]; faults: string[] };

const TIMEOUT_MS = 20_000;

/** Fetches everything. Faults: files that are missing or empty, and dates that go back. */
export async function checkVideo(multivariantUrl: string): Promise<CheckedVideo> {
	const faults: string[] = [];
	const text = await (await get(multivariantUrl)).text();
	const uris = new Set([
		...[...text.matchAll(/#EXT-X-STREAM-INF:.*\n(.+)/g)].map(([, uri]) => uri!),
		...[...text.matchAll(/#EXT-X-MEDIA:.*URI="([^"]+)"/g)].map(([, uri]) => uri!),
	]);
	const tracks: CheckedTrack[] = [];
	for (const uri of uris) {
		tracks.push(await checkTrack(new URL(uri, multivariantUrl).href, faults));
	}
	return { tracks, faults };
}

async function checkTrack(url: string, faults: string[]): Promise<CheckedTrack> {
	const text = await (await get(url)).text();
	const track: CheckedTrack = {
		uri: new URL(url).pathname,
		segmentCount: 0,
		gapCount: 0,
		totalSeconds: 0,
		gapSeconds: 0,
		discontinuityCount: 0,
		bytes: 0,
		startsAtMs: NaN,
		endsAtMs: NaN,
		isComplete: text.trimEnd().endsWith('#EXT-X-ENDLIST'),
	};
	let [seconds, isGap] = [0, false];
	const fetchFile = async (name: string): Promise<void> => {
		const { byteLength } = await (await get(new URL(name, url).href)).arrayBuffer();
		track.bytes += byteLength;
		if (byteLength === 0) {
			faults.push(`${name} is empty`);
		}
	};
	for (const line of text.split('\n')) {
		if (line.startsWith('#EXTINF:')) {
			seconds = Number.parseFloat(line.slice(8));
		} else if (line === '#EXT-X-GAP') {
			isGap = true;
		} else if (line === '#EXT-X-DISCONTINUITY') {
			track.discontinuityCount++;
		} else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
			const dateMs = Date.parse(line.slice(25));
			track.startsAtMs = Number.isNaN(track.startsAtMs) ? dateMs : track.startsAtMs;
			if (dateMs < track.endsAtMs - 100) {
				faults.push(`${track.uri}: a date goes back by ${Math.round(track.endsAtMs - dateMs)} ms`);
			}
			track.endsAtMs = dateMs;
		} else if (line.startsWith('#EXT-X-MAP:')) {
			await fetchFile(/URI="([^"]+)"/.exec(line)![1]!);
		} else if (line !== '' && !line.startsWith('#')) {
			track.totalSeconds += seconds;
			track.endsAtMs += seconds * 1000;
			if (isGap) {
				track.gapCount++;
				track.gapSeconds += seconds;
			} else {
				track.segmentCount++;
				await fetchFile(line);
			}
			isGap = false;
		}
	}
	return track;
}

async function get(url: string): Promise<Response> {
	const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
	if (!response.ok) {
		throw new Error(`${url} answers ${response.status}: ${(await response.text()).slice(0, 200)}`);
	}
	return response;
}
