/** What the journal of a recording has: one entry for each segment, and one for each init segment. */
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { Rung } from '../../core/media/rung.ts';
import type { TrackFacts } from '../rendition/track-facts.ts';

/** Why a segment has no bytes. `away`: nothing was received. `not-stored`: no room. `lost`: found missing later. */
type GapReason = 'away' | 'not-stored' | 'lost';

/** One segment of one track. */
export type SegmentEntry = {
	kind: 'segment';
	trackId: TrackId;
	/** As in the live playlist; numbers its file. */
	mediaSequence: number;
	/** Counts up at each discontinuity of the broadcast. */
	run: number;
	/** File name of its init segment; null for a gap before anything was received. */
	initName: string | null;
	/** On the broadcast's timeline. */
	startSeconds: number;
	/** What a playlist prints as its EXTINF. */
	durationSeconds: number;
	/** Epoch milliseconds at which its first sample was captured. */
	capturedAtMs: number;
	gap: GapReason | null;
	sizeBytes: number;
	/** SHA-256 of its bytes, in hexadecimal digits; empty for a gap. */
	hash: string;
};

/** What a track is, from the init segment `name` on. */
export type InitEntry = {
	kind: 'init';
	trackId: TrackId;
	name: string;
	facts: RecordedFacts;
};

export type RecordedFacts = TrackFacts & {
	/** Null for the source's own picture or sound. */
	rung: Rung | null;
	/** Frames a second; null for sound, or when it was not measured. */
	frameRate: number | null;
};

export type JournalEntry = SegmentEntry | InitEntry;

const NAME = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' });
const NUMBER = Type.Number({ minimum: 0 });

const ENTRY_SCHEMA = Type.Union([
	Type.Object({
		kind: Type.Literal('segment'),
		trackId: NAME,
		mediaSequence: Type.Integer({ minimum: 0 }),
		run: Type.Integer({ minimum: 0 }),
		initName: Type.Union([NAME, Type.Null()]),
		startSeconds: NUMBER,
		durationSeconds: NUMBER,
		capturedAtMs: NUMBER,
		gap: Type.Union([Type.Enum(['away', 'not-stored', 'lost']), Type.Null()]),
		sizeBytes: Type.Integer({ minimum: 0 }),
		hash: Type.String({ pattern: '^([0-9a-f]{64})?$' }),
	}),
	Type.Object({
		kind: Type.Literal('init'),
		trackId: NAME,
		name: NAME,
		facts: Type.Object({ kind: Type.Enum(['video', 'audio']), codecs: Type.Array(Type.String()) }),
	}),
]);

/** The entry that a text holds; undefined when it is none. */
export function parseJournalEntry(text: string): JournalEntry | undefined {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return undefined;
	}
	return Value.Check(ENTRY_SCHEMA, value) ? (value as Static<typeof ENTRY_SCHEMA> as JournalEntry) : undefined;
}

/** Name of a recorded file in the object store. */
export function recordedObjectName(videoId: string, trackId: string, file: string): string {
	return `${recordedPrefix(videoId)}${trackId}/${file}`;
}

/** What all objects of a video begin with. */
export function recordedPrefix(videoId: string): string {
	return `videos/${videoId}/`;
}
