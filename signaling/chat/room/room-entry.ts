/** The entries of a room's history on the bus, by which the nodes share its events. */
import Compile from 'typebox/compile';
import { Type, type Static } from 'typebox';
import { chatMessageSchema } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { BusValue } from '../../platform/bus/message-bus.ts';

const common = {
	/** Unique over all nodes, so that an entry that arrives twice is delivered once. */
	id: Type.String({ maxLength: 40 }),
	/** Written while the bus was lost and appended later, so it can be out of order. */
	isLate: Type.Optional(Type.Boolean()),
};

/** `subjects`: the marks of the author for restrictions, see chat-author.ts. */
const roomEntrySchema = Type.Union([
	Type.Object({
		...common,
		kind: Type.Literal('message'),
		message: chatMessageSchema,
		subjects: Type.Array(Type.String({ maxLength: 80 }), { maxItems: 2 }),
		senderId: Type.String({ maxLength: 80 }),
	}),
	Type.Object({ ...common, kind: Type.Literal('deleted'), messageIds: Type.Array(Type.String(), { maxItems: 100 }) }),
	/** The author may not write until a time (null: banned); their messages are removed. */
	Type.Object({
		...common,
		kind: Type.Literal('restricted'),
		subjects: Type.Array(Type.String({ maxLength: 80 }), { maxItems: 2 }),
		authorId: Type.String({ maxLength: 80 }),
		authorName: Type.String({ maxLength: 40 }),
		untilMs: Type.Union([Type.Number(), Type.Null()]),
		seconds: Type.Union([Type.Number(), Type.Null()]),
	}),
	Type.Object({
		...common,
		kind: Type.Literal('released'),
		subjects: Type.Array(Type.String({ maxLength: 80 }), { maxItems: 50 }),
	}),
	/** Settings, owner or moderators must be read again. */
	Type.Object({ ...common, kind: Type.Literal('settings') }),
]);
export type RoomEntry = Static<typeof roomEntrySchema>;

const validator = Compile(roomEntrySchema);

/** Undefined for an entry that another version wrote and this one does not support. */
export function parseRoomEntry(value: BusValue): RoomEntry | undefined {
	return validator.Check(value) ? (value as RoomEntry) : undefined;
}
