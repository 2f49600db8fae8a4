/** Puts the file of a clip together: its header, and samples from the spool in the order of their times. */
import { open } from 'node:fs/promises';
import { layoutMp4, type Mp4Track } from './mp4-file.ts';
import type { Spool, Stored } from './spool.ts';

/** A track of the file, and where the bytes of its samples are. */
export type FilledTrack = Mp4Track & { stored: readonly Stored[] };

type FileOptions = { durationTicks: number; outputPath: string; spool: Spool; signal: AbortSignal };

/** Resolves with the size of the file. `durationTicks`: in ticks of the movie. */
export async function writeClipFile(
	tracks: readonly FilledTrack[],
	{ durationTicks, outputPath, spool, signal }: FileOptions,
): Promise<number> {
	const { header, chunks, sizeBytes } = layoutMp4(tracks, durationTicks);
	const file = await open(outputPath, 'w');
	try {
		await file.writeFile(header);
		for (const { trackIndex, firstSample, endSample } of chunks) {
			signal.throwIfAborted();
			for (const range of joinNeighbours(tracks[trackIndex]!.stored.slice(firstSample, endSample))) {
				await file.writeFile(await spool.read(range));
			}
		}
	} finally {
		await file.close();
	}
	return sizeBytes;
}

/** Ranges that follow one another in the spool are read at once. */
function joinNeighbours(ranges: readonly Stored[]): Stored[] {
	const joined: Stored[] = [];
	for (const { at, sizeBytes } of ranges) {
		const last = joined.at(-1);
		if (last !== undefined && last.at + last.sizeBytes === at) {
			last.sizeBytes += sizeBytes;
		} else {
			joined.push({ at, sizeBytes });
		}
	}
	return joined;
}
