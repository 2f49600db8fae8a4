/**
 * Checks media playlists against draft-pantos-hls-rfc8216bis-22 and Apple's validator, as far as their text and their
 * sequence show it.
 */
import {
	headerNumber,
	readAttributes,
	readMediaPlaylist,
	type ListedPlaylist,
	type ListedSegment,
} from './playlist-reader.ts';

/** Rounding of printed durations; those of the checker's own test have 5 decimals. */
const PRINT_TOLERANCE_SECONDS = 0.000_02;

/** Seconds of a segment, open or not. */
function secondsOf(segment: ListedSegment): number {
	return segment.uri === undefined
		? segment.parts.reduce((sum, part) => sum + part.durationSeconds, 0)
		: segment.durationSeconds;
}

function headerFaults(playlist: ListedPlaylist): string[] {
	const faults: string[] = [];
	const expect = (isRight: boolean, fault: string): void => {
		if (!isRight) {
			faults.push(fault);
		}
	};
	const targetSeconds = headerNumber(playlist, 'EXT-X-TARGETDURATION');
	const partTarget = Number(readAttributes(playlist.header.get('EXT-X-PART-INF')?.value ?? '').get('PART-TARGET'));
	const control = readAttributes(playlist.header.get('EXT-X-SERVER-CONTROL')?.value ?? '');
	expect(Number.isInteger(targetSeconds) && targetSeconds >= 1, 'L-1 TARGETDURATION is not a whole number');
	expect(partTarget > 0, 'L-2 no PART-TARGET');
	expect(control.get('CAN-BLOCK-RELOAD') === 'YES', 'L-3 no CAN-BLOCK-RELOAD');
	expect(Number(control.get('PART-HOLD-BACK')) >= 3 * partTarget - 1e-9, 'L-3 PART-HOLD-BACK below 3 PART-TARGET');
	expect(Number(control.get('HOLD-BACK')) >= 3 * targetSeconds, 'L-3 HOLD-BACK below 3 TARGETDURATION');
	const skipUntil = control.get('CAN-SKIP-UNTIL');
	expect(
		skipUntil === undefined || Number(skipUntil) >= 6 * targetSeconds,
		'L-3 CAN-SKIP-UNTIL below 6 TARGETDURATION',
	);
	expect(playlist.skippedSegmentCount === 0 || skipUntil !== undefined, 'L-28 EXT-X-SKIP without CAN-SKIP-UNTIL');
	expect(playlist.skippedSegmentCount === 0 || !playlist.hasEndList, 'L-28 EXT-X-SKIP with ENDLIST');
	const needed = playlist.skippedSegmentCount > 0 ? 9 : 6;
	expect(headerNumber(playlist, 'EXT-X-VERSION') >= needed, `L-6 VERSION below ${needed}`);
	expect(!playlist.header.has('EXT-X-PLAYLIST-TYPE'), 'L-7 PLAYLIST-TYPE in a live playlist');
	expect(playlist.header.has('EXT-X-DISCONTINUITY-SEQUENCE'), 'L-7 no DISCONTINUITY-SEQUENCE');
	expect(headerNumber(playlist, 'EXT-X-MEDIA-SEQUENCE') >= 1, 'H-10 MEDIA-SEQUENCE below 1');
	for (const [tag, { count, isAfterSegment }] of playlist.header) {
		expect(count === 1 && !isAfterSegment, `H-9 ${tag} twice or after a segment`);
	}
	return faults;
}

function segmentFaults(playlist: ListedPlaylist): string[] {
	const faults: string[] = [];
	const targetSeconds = headerNumber(playlist, 'EXT-X-TARGETDURATION');
	playlist.segments.forEach((segment, index) => {
		const name = `segment ${segment.mediaSequence}`;
		if (Math.round(segment.durationSeconds) > targetSeconds) {
			faults.push(`L-1 ${name} lasts ${segment.durationSeconds} s`);
		}
		if (segment.uri !== undefined && !(segment.durationSeconds > 0)) {
			faults.push(`L-1 ${name} has no duration`);
		}
		if (segment.uri === undefined && index < playlist.segments.length - 1) {
			faults.push(`${name} is open, but not the last`);
		}
		if (segment.map === undefined && !segment.isGap && playlist.skippedSegmentCount === 0) {
			faults.push(`L-30 ${name} has no EXT-X-MAP`);
		}
		if (segment.programDateTimeMs === undefined && (segment.hasDiscontinuity || index === 0)) {
			faults.push(`L-44 ${name} has no PROGRAM-DATE-TIME`);
		}
		if (segment.programDateTimeMs !== undefined && Number.isNaN(segment.programDateTimeMs)) {
			faults.push(`L-44 ${name} has an unreadable PROGRAM-DATE-TIME`);
		}
		const partSeconds = segment.parts.reduce((sum, part) => sum + part.durationSeconds, 0);
		const tolerance = PRINT_TOLERANCE_SECONDS * (segment.parts.length + 1);
		if (
			segment.uri !== undefined &&
			segment.parts.length > 0 &&
			Math.abs(partSeconds - segment.durationSeconds) > tolerance
		) {
			faults.push(`A-3 ${name} lasts ${segment.durationSeconds} s, its parts ${partSeconds} s`);
		}
	});
	return faults;
}

function partFaults(playlist: ListedPlaylist): string[] {
	const faults: string[] = [];
	const partTarget = Number(readAttributes(playlist.header.get('EXT-X-PART-INF')?.value ?? '').get('PART-TARGET'));
	const targetSeconds = headerNumber(playlist, 'EXT-X-TARGETDURATION');
	let fromEndSeconds = playlist.segments.reduce((sum, segment) => sum + secondsOf(segment), 0);
	for (const segment of playlist.segments) {
		let partFromEndSeconds = fromEndSeconds;
		segment.parts.forEach((part, index) => {
			const isLast = index === segment.parts.length - 1;
			const isExcepted = part.isIndependent || part.isGap || isLast || segment.parts[index + 1]!.isGap;
			if (part.durationSeconds > partTarget) {
				faults.push(`L-9 ${part.uri} lasts ${part.durationSeconds} s`);
			}
			if (!isExcepted && part.durationSeconds < 0.85 * partTarget - 1e-9) {
				faults.push(`L-10 ${part.uri} lasts ${part.durationSeconds} s`);
			}
			partFromEndSeconds -= part.durationSeconds;
			if (partFromEndSeconds >= 3 * targetSeconds) {
				faults.push(`L-14 ${part.uri} is listed ${partFromEndSeconds} s from the end`);
			}
		});
		fromEndSeconds -= secondsOf(segment);
	}
	return faults;
}

function tailFaults(playlist: ListedPlaylist, renditionCount: number): string[] {
	const faults: string[] = [];
	const hints = playlist.hints.get('PART') ?? [];
	if (playlist.hasEndList) {
		if (playlist.hints.size > 0) {
			faults.push('L-17 PRELOAD-HINT with ENDLIST');
		}
		if (playlist.segments.at(-1)?.uri === undefined) {
			faults.push('L-46 ENDLIST before the last segment is complete');
		}
		return faults;
	}
	if (hints.length !== 1 || (playlist.hints.get('MAP') ?? []).length > 1) {
		faults.push(`L-17 ${hints.length} part hints`);
	}
	if (playlist.reports.length !== renditionCount - 1) {
		faults.push(`L-20 ${playlist.reports.length} reports for ${renditionCount} renditions`);
	}
	for (const report of playlist.reports) {
		if (/^\w+:|^\//.test(report.get('URI') ?? '/') || !report.has('LAST-MSN') || !report.has('LAST-PART')) {
			faults.push('L-20 a report is absolute or not complete');
		}
	}
	return faults;
}

const CONSTANT_TAGS = ['EXT-X-VERSION', 'EXT-X-TARGETDURATION', 'EXT-X-SERVER-CONTROL', 'EXT-X-PART-INF'] as const;

/** Checks the playlists of one address in the order in which they were fetched. */
export class PlaylistSequenceChecker {
	readonly #renditionCount: () => number;
	#previous: ListedPlaylist | undefined;
	/** What each URI refers to: none may refer to something else later (L-41). */
	readonly #meanings = new Map<string, string>();

	/** `renditionCount`: media playlists of the broadcast at the time of each check. */
	constructor(renditionCount: () => number) {
		this.#renditionCount = renditionCount;
	}

	/** The playlist checked last. */
	get latest(): ListedPlaylist | undefined {
		return this.#previous;
	}

	/** Faults of this playlist, and of the step from the one before. */
	check(text: string): string[] {
		const playlist = readMediaPlaylist(text);
		const faults = [
			...playlist.faults,
			...headerFaults(playlist),
			...segmentFaults(playlist),
			...partFaults(playlist),
			...tailFaults(playlist, this.#renditionCount()),
		];
		if (text.startsWith('\ufeff') || !text.startsWith('#EXTM3U\n') || !text.endsWith('\n')) {
			faults.push('L-36 not a plain UTF-8 playlist');
		}
		faults.push(...this.#nameFaults(playlist));
		if (this.#previous !== undefined) {
			faults.push(...stepFaults(this.#previous, playlist));
		}
		if (playlist.skippedSegmentCount === 0) {
			this.#previous = playlist;
		}
		return faults;
	}

	#nameFaults(playlist: ListedPlaylist): string[] {
		const faults: string[] = [];
		const record = (uri: string, meaning: string): void => {
			if ((this.#meanings.get(uri) ?? meaning) !== meaning) {
				faults.push(`L-41 ${uri} was ${this.#meanings.get(uri)} and is ${meaning}`);
			}
			this.#meanings.set(uri, meaning);
		};
		for (const segment of playlist.segments) {
			segment.parts.forEach((part, index) =>
				record(part.uri, `part ${segment.mediaSequence}.${index} ${part.durationSeconds}`),
			);
			if (segment.uri !== undefined) {
				record(segment.uri, `segment ${segment.mediaSequence} ${segment.durationSeconds}`);
			}
			// A gap loads nothing, so its map may be any that was announced before.
			if (segment.map !== undefined && !segment.isGap && !segment.parts.every((part) => part.isGap)) {
				record(segment.map, `init of ${segment.discontinuitySequence}`);
			}
		}
		return faults;
	}
}

function stepFaults(before: ListedPlaylist, after: ListedPlaylist): string[] {
	const faults: string[] = [];
	for (const tag of CONSTANT_TAGS) {
		if (before.header.get(tag)?.value !== after.header.get(tag)?.value) {
			faults.push(`L-5 ${tag} changed`);
		}
	}
	if (before.hasEndList && !after.hasEndList) {
		faults.push('L-46 ENDLIST was taken back');
	}
	const removedCount = headerNumber(after, 'EXT-X-MEDIA-SEQUENCE') - headerNumber(before, 'EXT-X-MEDIA-SEQUENCE');
	const removed = before.segments.slice(0, Math.max(0, removedCount));
	const discontinuities =
		headerNumber(after, 'EXT-X-DISCONTINUITY-SEQUENCE') - headerNumber(before, 'EXT-X-DISCONTINUITY-SEQUENCE');
	if (removedCount < 0) {
		faults.push('L-7 MEDIA-SEQUENCE went back');
	}
	if (discontinuities !== removed.filter((segment) => segment.hasDiscontinuity).length) {
		faults.push('L-7 DISCONTINUITY-SEQUENCE does not count what left the window');
	}
	for (const segment of before.segments) {
		const later = after.segments.find((entry) => entry.mediaSequence === segment.mediaSequence);
		if (later !== undefined) {
			faults.push(...changeFaults(segment, later, after.skippedSegmentCount > 0));
		}
	}
	faults.push(...hintFaults(before, after));
	return faults;
}

// A delta update leaves out the tags before its first segment, so they are not compared.
function changeFaults(before: ListedSegment, after: ListedSegment, isDelta: boolean): string[] {
	const faults: string[] = [];
	const name = `segment ${before.mediaSequence}`;
	if (before.uri !== undefined && (before.uri !== after.uri || before.durationSeconds !== after.durationSeconds)) {
		faults.push(`§6.2.1 ${name} changed`);
	}
	const kept = ['hasDiscontinuity', 'programDateTimeMs'] as const;
	for (const key of isDelta ? kept : ([...kept, 'discontinuitySequence', 'map'] as const)) {
		if (before[key] !== after[key]) {
			faults.push(`§6.2.1 ${key} of ${name} changed from ${before[key]} to ${after[key]}`);
		}
	}
	const isStillListed = after.parts.length > 0;
	if (isStillListed && JSON.stringify(after.parts.slice(0, before.parts.length)) !== JSON.stringify(before.parts)) {
		faults.push(`§6.2.2 parts of ${name} changed`);
	}
	return faults;
}

/** L-17: the next part, gaps aside, has the URI that was hinted. */
function hintFaults(before: ListedPlaylist, after: ListedPlaylist): string[] {
	const known = new Set(before.segments.flatMap((segment) => segment.parts.map((part) => part.uri)));
	const lastBefore = before.segments.at(-1)?.mediaSequence ?? 0;
	const added = after.segments
		.filter((segment) => segment.mediaSequence >= lastBefore)
		.flatMap((segment) => segment.parts)
		.find((part) => !part.isGap && !known.has(part.uri));
	const hint = before.hints.get('PART')?.[0];
	return added === undefined || added.uri === hint ? [] : [`L-17 hinted ${hint}, but ${added.uri} came`];
}

/** L-21: what two renditions of one broadcast have in common at about the same time. */
export function inStepFaults(one: ListedPlaylist, other: ListedPlaylist, toleranceSeconds: number): string[] {
	const faults: string[] = [];
	if (headerNumber(one, 'EXT-X-TARGETDURATION') !== headerNumber(other, 'EXT-X-TARGETDURATION')) {
		faults.push('L-21 TARGETDURATION differs');
	}
	const starts = (playlist: ListedPlaylist): Map<number, number> =>
		new Map(
			playlist.segments
				.filter((segment) => segment.hasDiscontinuity)
				.map((segment) => [segment.discontinuitySequence, segment.programDateTimeMs ?? NaN]),
		);
	const otherStarts = starts(other);
	for (const [discontinuitySequence, startMs] of starts(one)) {
		const otherMs = otherStarts.get(discontinuitySequence);
		if (otherMs !== undefined && !(Math.abs(otherMs - startMs) <= toleranceSeconds * 1000)) {
			faults.push(`L-21 discontinuity ${discontinuitySequence} begins ${otherMs - startMs} ms apart`);
		}
	}
	return faults;
}
