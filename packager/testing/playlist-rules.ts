/** Checks the text and the sequence of media playlists against draft-pantos-hls-rfc8216bis-22 and Apple's validator. */
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

/** The faults whose condition holds. */
function faultsOf(...rows: readonly (readonly [isFault: boolean, fault: string])[]): string[] {
	return rows.filter(([isFault]) => isFault).map(([, fault]) => fault);
}

function headerFaults(playlist: ListedPlaylist): string[] {
	const { header, skippedSegmentCount, hasEndList } = playlist;
	const targetSeconds = headerNumber(playlist, 'EXT-X-TARGETDURATION');
	const partTarget = Number(readAttributes(header.get('EXT-X-PART-INF')?.value ?? '').get('PART-TARGET'));
	const control = readAttributes(header.get('EXT-X-SERVER-CONTROL')?.value ?? '');
	const skipUntil = control.get('CAN-SKIP-UNTIL');
	const needed = skippedSegmentCount > 0 ? 9 : 6;
	const isAtLeast = (value: string | number | undefined, least: number): boolean => Number(value ?? NaN) >= least;
	return faultsOf(
		[!(Number.isInteger(targetSeconds) && targetSeconds >= 1), 'L-1 TARGETDURATION is not a whole number'],
		[!(partTarget > 0), 'L-2 no PART-TARGET'],
		[control.get('CAN-BLOCK-RELOAD') !== 'YES', 'L-3 no CAN-BLOCK-RELOAD'],
		[!isAtLeast(control.get('PART-HOLD-BACK'), 3 * partTarget - 1e-9), 'L-3 PART-HOLD-BACK below 3 PART-TARGET'],
		[!isAtLeast(control.get('HOLD-BACK'), 3 * targetSeconds), 'L-3 HOLD-BACK below 3 TARGETDURATION'],
		[!isAtLeast(skipUntil ?? Infinity, 6 * targetSeconds), 'L-3 CAN-SKIP-UNTIL below 6 TARGETDURATION'],
		[skippedSegmentCount > 0 && skipUntil === undefined, 'L-28 EXT-X-SKIP without CAN-SKIP-UNTIL'],
		[skippedSegmentCount > 0 && hasEndList, 'L-28 EXT-X-SKIP with ENDLIST'],
		[!isAtLeast(headerNumber(playlist, 'EXT-X-VERSION'), needed), `L-6 VERSION below ${needed}`],
		[header.has('EXT-X-PLAYLIST-TYPE'), 'L-7 PLAYLIST-TYPE in a live playlist'],
		[!header.has('EXT-X-DISCONTINUITY-SEQUENCE'), 'L-7 no DISCONTINUITY-SEQUENCE'],
		[!isAtLeast(headerNumber(playlist, 'EXT-X-MEDIA-SEQUENCE'), 1), 'H-10 MEDIA-SEQUENCE below 1'],
		...[...header].map(
			([tag, { count, isAfterSegment }]) =>
				[count !== 1 || isAfterSegment, `H-9 ${tag} twice or after a segment`] as const,
		),
	);
}

function segmentFaults(playlist: ListedPlaylist): string[] {
	const targetSeconds = headerNumber(playlist, 'EXT-X-TARGETDURATION');
	return playlist.segments.flatMap((segment, index) => {
		const { uri, durationSeconds, parts, programDateTimeMs, hasDiscontinuity } = segment;
		const name = `segment ${segment.mediaSequence}`;
		const isComplete = uri !== undefined;
		const hasMap = segment.map !== undefined || segment.isGap || playlist.skippedSegmentCount > 0;
		const needsDate = hasDiscontinuity || index === 0;
		const partSeconds = parts.reduce((sum, part) => sum + part.durationSeconds, 0);
		const differs = Math.abs(partSeconds - durationSeconds) > PRINT_TOLERANCE_SECONDS * (parts.length + 1);
		return faultsOf(
			[Math.round(durationSeconds) > targetSeconds, `L-1 ${name} lasts ${durationSeconds} s`],
			[isComplete && !(durationSeconds > 0), `L-1 ${name} has no duration`],
			[!isComplete && index < playlist.segments.length - 1, `${name} is open, but not the last`],
			[!hasMap, `L-30 ${name} has no EXT-X-MAP`],
			[programDateTimeMs === undefined && needsDate, `L-44 ${name} has no PROGRAM-DATE-TIME`],
			[Number.isNaN(programDateTimeMs), `L-44 ${name} has an unreadable PROGRAM-DATE-TIME`],
			[isComplete && parts.length > 0 && differs, `A-3 ${name} lasts ${durationSeconds} s, its parts ${partSeconds} s`],
		);
	});
}

function partFaults(playlist: ListedPlaylist): string[] {
	const partTarget = Number(readAttributes(playlist.header.get('EXT-X-PART-INF')?.value ?? '').get('PART-TARGET'));
	const targetSeconds = headerNumber(playlist, 'EXT-X-TARGETDURATION');
	let fromEndSeconds = playlist.segments.reduce((sum, segment) => sum + secondsOf(segment), 0);
	return playlist.segments.flatMap((segment) => {
		let partFromEndSeconds = fromEndSeconds;
		fromEndSeconds -= secondsOf(segment);
		return segment.parts.flatMap(({ uri, durationSeconds, isIndependent, isGap }, index) => {
			const isLast = index === segment.parts.length - 1;
			const isExcepted = isIndependent || isGap || isLast || segment.parts[index + 1]!.isGap;
			const isShort = durationSeconds < 0.85 * partTarget - 1e-9;
			partFromEndSeconds -= durationSeconds;
			return faultsOf(
				[durationSeconds > partTarget, `L-9 ${uri} lasts ${durationSeconds} s`],
				[!isExcepted && isShort, `L-10 ${uri} lasts ${durationSeconds} s`],
				[partFromEndSeconds >= 3 * targetSeconds, `L-14 ${uri} is listed ${partFromEndSeconds} s from the end`],
			);
		});
	});
}

function tailFaults({ hints, hasEndList, segments, reports }: ListedPlaylist, renditionCount: number): string[] {
	if (hasEndList) {
		return faultsOf(
			[hints.size > 0, 'L-17 PRELOAD-HINT with ENDLIST'],
			[segments.at(-1)?.uri === undefined, 'L-46 ENDLIST before the last segment is complete'],
		);
	}
	const hintCount = hints.get('PART')?.length ?? 0;
	const isWrong = (report: Map<string, string>): boolean =>
		/^\w+:|^\//.test(report.get('URI') ?? '/') || !report.has('LAST-MSN') || !report.has('LAST-PART');
	return faultsOf(
		[hintCount !== 1 || (hints.get('MAP')?.length ?? 0) > 1, `L-17 ${hintCount} part hints`],
		[reports.length !== renditionCount - 1, `L-20 ${reports.length} reports for ${renditionCount} renditions`],
		[reports.some(isWrong), 'L-20 a report is absolute or not complete'],
	);
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
	const removedCount = headerNumber(after, 'EXT-X-MEDIA-SEQUENCE') - headerNumber(before, 'EXT-X-MEDIA-SEQUENCE');
	const removed = before.segments.slice(0, Math.max(0, removedCount));
	const discontinuities =
		headerNumber(after, 'EXT-X-DISCONTINUITY-SEQUENCE') - headerNumber(before, 'EXT-X-DISCONTINUITY-SEQUENCE');
	const isCounted = discontinuities === removed.filter((segment) => segment.hasDiscontinuity).length;
	const valueOf = (playlist: ListedPlaylist, tag: string): string | undefined => playlist.header.get(tag)?.value;
	return [
		...faultsOf(
			...CONSTANT_TAGS.map((tag) => [valueOf(before, tag) !== valueOf(after, tag), `L-5 ${tag} changed`] as const),
			[before.hasEndList && !after.hasEndList, 'L-46 ENDLIST was taken back'],
			[removedCount < 0, 'L-7 MEDIA-SEQUENCE went back'],
			[!isCounted, 'L-7 DISCONTINUITY-SEQUENCE does not count what left the window'],
		),
		...before.segments.flatMap((segment) => {
			const later = after.segments.find((entry) => entry.mediaSequence === segment.mediaSequence);
			return later === undefined ? [] : changeFaults(segment, later, after.skippedSegmentCount > 0);
		}),
		...hintFaults(before, after),
	];
}

// A delta update leaves out the tags before its first segment, so they are not compared.
function changeFaults(before: ListedSegment, after: ListedSegment, isDelta: boolean): string[] {
	const name = `segment ${before.mediaSequence}`;
	const kept = ['hasDiscontinuity', 'programDateTimeMs'] as const;
	const keys = isDelta ? kept : ([...kept, 'discontinuitySequence', 'map'] as const);
	const isSame = before.uri === after.uri && before.durationSeconds === after.durationSeconds;
	const comparable = after.parts.slice(0, before.parts.length);
	return faultsOf(
		[before.uri !== undefined && !isSame, `§6.2.1 ${name} changed`],
		...keys.map(
			(key) =>
				[before[key] !== after[key], `§6.2.1 ${key} of ${name} changed from ${before[key]} to ${after[key]}`] as const,
		),
		[
			after.parts.length > 0 && JSON.stringify(comparable) !== JSON.stringify(before.parts),
			`§6.2.2 parts of ${name} changed`,
		],
	);
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

/**
 * L-21 for two renditions between which players change: the same parts and segments under the same numbers, where both
 * list them. Durations and dates may differ by the tolerance: 0 for pictures, a frame for sounds.
 */
export function siblingFaults(one: ListedPlaylist, other: ListedPlaylist, toleranceSeconds: number): string[] {
	const others = new Map(other.segments.map((segment) => [segment.mediaSequence, segment]));
	return one.segments.flatMap((segment) => {
		const sibling = others.get(segment.mediaSequence);
		return sibling === undefined ? [] : segmentPairFaults(segment, sibling, toleranceSeconds);
	});
}

function segmentPairFaults(one: ListedSegment, other: ListedSegment, toleranceSeconds: number): string[] {
	const name = `L-21 segment ${one.mediaSequence}`;
	const areComplete = one.uri !== undefined && other.uri !== undefined;
	const differs = (left: number | undefined, right: number | undefined): boolean =>
		Math.abs((left ?? NaN) - (right ?? NaN)) > toleranceSeconds + 1e-9;
	const both = Math.min(one.parts.length, other.parts.length);
	return faultsOf(
		[areComplete && differs(one.durationSeconds, other.durationSeconds), `${name} lasts differently`],
		[areComplete && both > 0 && one.parts.length !== other.parts.length, `${name} has more parts in one`],
		[
			one.parts
				.slice(0, both)
				.some((part, index) => differs(part.durationSeconds, other.parts[index]!.durationSeconds)),
			`${name} has parts that last differently`,
		],
		[
			differs((one.programDateTimeMs ?? NaN) / 1000, (other.programDateTimeMs ?? NaN) / 1000),
			`${name} has dates ${one.programDateTimeMs} and ${other.programDateTimeMs}`,
		],
		[one.discontinuitySequence !== other.discontinuitySequence, `${name} has another discontinuity sequence`],
	);
}
