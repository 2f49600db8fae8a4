/** What the nodes tell one another about a room; each is one entry of the room's history on the bus. */
import Compile from 'typebox/compile';
import { Type, type Static } from 'typebox';
import { chatMessageSchema } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { BusValue } from '../../platform/bus/message-bus.ts';

const common = {
	/** Unique over all nodes: an entry that arrives twice is told once. */
	id: Type.String({ maxLength: 40 }),
	/** Written while the bus was lost and appended later: it may be out of order. */
	isLate: Type.Optional(Type.Boolean()),
};

/** See the members' comments. `subjects`: whom a restriction of the author must name, see chat-author.ts. */
const roomEntrySchema = Type.Union([
	/** Somebody said something. */
	Type.Object({
		...common,
		kind: Type.Literal('message'),
		message: chatMessageSchema,
		subjects: Type.Array(Type.String({ maxLength: 80 }), { maxItems: 2 }),
		senderId: Type.String({ maxLength: 80 }),
	}),
	/** Messages were deleted one by one. */
	Type.Object({ ...common, kind: Type.Literal('deleted'), messageIds: Type.Array(Type.String(), { maxItems: 100 }) }),
	/** Somebody may not write until a time (null: for ever); their messages go. */
	Type.Object({
		...common,
		kind: Type.Literal('restricted'),
		subjects: Type.Array(Type.String({ maxLength: 80 }), { maxItems: 2 }),
		authorId: Type.String({ maxLength: 80 }),
		authorName: Type.String({ maxLength: 40 }),
		untilMs: Type.Union([Type.Number(), Type.Null()]),
		seconds: Type.Union([Type.Number(), Type.Null()]),
	}),
	/** They may again. */
	Type.Object({
		...common,
		kind: Type.Literal('released'),
		subjects: Type.Array(Type.String({ maxLength: 80 }), { maxItems: 50 }),
	}),
	/** Settings, owner or moderators are to be read again. */
	Type.Object({ ...common, kind: Type.Literal('settings') }),
]);
export type RoomEntry = Static<typeof roomEntrySchema>;

const validator = Compile(roomEntrySchema);

/** Reads an entry from the bus; undefined when another version wrote something that this one does not know. */
export function parseRoomEntry(value: BusValue): RoomEntry | undefined {
	return validator.Check(value) ? (value as RoomEntry) : undefined;
}
