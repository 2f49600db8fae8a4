/** Tests of what members of a room receive and may do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createId, type ChannelId } from '../../../core/ids.ts';
import { silentLogger } from '../../../core/logger.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import type { ChatMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ChatRooms } from './chat-rooms.ts';
import type { ChatFrame, ChatMember, ChatRoom } from '../store/chat-service.ts';
import type { User } from '../../accounts/user.ts';
import { FaultyBus } from '../testing/faulty-bus.ts';
import { createTestRooms, FakeRoomStore } from '../testing/fake-room-store.ts';

const CHANNEL = 'channel-1' as ChannelId;
const OWNER: User = { id: 'owner', name: 'olga', role: 'streamer' };
const MOD: User = { id: 'mod', name: 'max', role: 'viewer' };
const ADMIN: User = { id: 'admin', name: 'root', role: 'admin' };
const ANN: User = { id: 'ann', name: 'ann', role: 'viewer' };
const BOB: User = { id: 'bob', name: 'bob', role: 'viewer' };

let clock: FakeClock;
let bus: InProcessBus;
let store: FakeRoomStore;
let rooms: ChatRooms;
let room: ChatRoom;

type TestMember = ChatMember & { frames: ChatFrame[]; texts: () => string[] };

function member(id: string, user?: User, details: Partial<ChatMember> = {}): TestMember {
	const frames: ChatFrame[] = [];
	const messages = (): ChatMessage[] =>
		frames.flatMap(({ message }) => (message.type === 'chat' ? message.messages : []));
	return {
		id,
		user,
		remoteAddress: '192.0.2.1',
		deliver: (frame) => frames.push(frame),
		frames,
		texts: () => messages().map(({ text }) => text),
		...details,
	};
}

async function join(id: string, user?: User, details: Partial<ChatMember> = {}): Promise<TestMember> {
	const joined = member(id, user, details);
	await room.join(joined, undefined);
	return joined;
}

/** Enough time to deliver messages, and too little for a rate limit to recover. */
const delivered = (): Promise<void> => clock.advance(60);
/** 'accepted', or the code of the refusal. */
const outcomeOf = (promise: Promise<unknown>): Promise<string> =>
	promise.then(
		() => 'accepted',
		(error: { code: string }) => error.code,
	);

beforeEach(() => {
	clock = new FakeClock();
	bus = new InProcessBus({ clock, logger: silentLogger });
	store = new FakeRoomStore();
	rooms = createTestRooms({ bus, store, clock });
	room = rooms.open(CHANNEL);
});

afterEach(async () => {
	await rooms.close();
	await bus.close();
	expect(clock.pendingCount).toBe(0);
});

describe('a room', () => {
	it('gives every member the same text, serialised once, and the author their own message', async () => {
		const [ann, guest] = [await join('1', ANN), await join('2')];
		const { messageId } = await room.send('1', { text: ' hello\nSpillHi ', captureTimeMs: clock.nowMs() - 500 });
		await delivered();
		expect(ann.frames).toHaveLength(1);
		expect(guest.frames[0]).toBe(ann.frames[0]);
		expect(JSON.parse(ann.frames[0]!.text)).toEqual(ann.frames[0]!.message);
		expect(ann.frames[0]!.message).toMatchObject({
			type: 'chat',
			messages: [
				{
					id: messageId,
					text: 'hello SpillHi',
					emotes: [{ name: 'SpillHi', from: 6, to: 13 }],
					author: { id: 'ann', name: 'ann', badges: [] },
					captureTimeMs: clock.nowMs() - 560,
				},
			],
		});
	});

	it('joins messages of a short time into one frame in a large room', async () => {
		const users = Array.from({ length: 10 }, (_, index): User => ({ ...ANN, id: `u${index}`, name: `n${index}` }));
		const authors = await Promise.all(users.map((user) => join(`member-${user.id}`, user)));
		await Promise.all(Array.from({ length: 2000 }, (_, index) => join(`m${index}`)));
		for (const [index, author] of authors.entries()) {
			await room.send(author.id, { text: `message ${index}` });
			await clock.advance(3);
		}
		await delivered();
		expect(authors[0]!.texts()).toEqual(authors.map((_, index) => `message ${index}`));
		expect(authors[0]!.frames.length).toBeLessThan(4);
	});

	it('sends history to new members, missed messages to returning ones, and reports a gap', async () => {
		await join('1', ANN);
		const ids: string[] = [];
		for (const text of ['one', 'two', 'three']) {
			ids.push((await room.send('1', { text })).messageId);
			await delivered();
		}
		expect([...ids].sort()).toEqual(ids);
		const fresh = await room.join(member('2'), undefined);
		expect([fresh.history.map(({ text }) => text), fresh.hasGap]).toEqual([['one', 'two', 'three'], false]);
		const back = await room.join(member('3'), ids[1]);
		expect([back.history.map(({ text }) => text), back.hasGap]).toEqual([['three'], false]);
		for (const unknown of ['', 'x', `${ids[0]}0`]) {
			expect((await room.join(member('4'), unknown)).hasGap).toBe(true);
		}
	});

	it('delivers a message either in the history or in a frame, never in both', async () => {
		await join('1', ANN);
		await room.send('1', { text: 'racing' });
		const other = member('2');
		const { history } = await room.join(other, undefined);
		await delivered();
		expect([...history.map(({ text }) => text), ...other.texts()]).toEqual(['racing']);
	});

	it('is shared by all who open it, and ends with the last', async () => {
		const other = rooms.open(CHANNEL);
		const ann = await join('1', ANN);
		room.close();
		room.close();
		await other.send('1', { text: 'still here' });
		await delivered();
		expect(ann.texts()).toEqual(['still here']);
		other.close();
		expect(rooms.roomCount).toBe(0);
		await expect(other.send('1', { text: 'gone' })).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
	});

	it('refuses messages from users who have not joined or have left', async () => {
		await join('1', ANN);
		room.leave('1');
		room.leave('never');
		await expect(room.send('1', { text: 'x' })).rejects.toMatchObject({ code: 'SESSION_NOT_FOUND' });
	});

	it('serves the others when a member fails', async () => {
		await join('1', undefined, {
			deliver: () => {
				throw new Error('broken');
			},
		});
		const ann = await join('2', ANN);
		await room.send('2', { text: 'hello' });
		await delivered();
		expect(ann.texts()).toEqual(['hello']);
	});

	it('allows only reading until the database was reached once', async () => {
		store.isLost = true;
		const other = rooms.open('channel-2' as ChannelId);
		expect(await other.join(member('1', ANN), undefined)).toMatchObject({ history: [], chatName: 'ann' });
		expect(await outcomeOf(other.send('1', { text: 'x' }))).toBe('DATABASE_UNAVAILABLE');
		store.isLost = false;
		await clock.advance(1500);
		expect(await outcomeOf(other.send('1', { text: 'x' }))).toBe('accepted');
		store.isLost = true;
		await clock.advance(120_000);
		expect(await outcomeOf(other.send('1', { text: 'y' }))).toBe('accepted');
		other.close();
	});
});

describe('guests', () => {
	it('get a lasting name each', async () => {
		const first = await room.join(member('viewer-1'), undefined);
		const again = await room.join(member('viewer-1'), undefined);
		const other = await room.join(member('viewer-2'), undefined);
		expect(first.chatName).toMatch(/^guest-[0-9a-z]{5}$/);
		expect([again.chatName, other.chatName === first.chatName]).toEqual([first.chatName, false]);
	});

	it('may only read where an account is required, and are notified when that changes', async () => {
		const guest = await join('1');
		store.policy = { ...store.policy, isAccountRequired: true };
		rooms.settingsChanged(CHANNEL);
		await delivered();
		const settings = { slowModeSeconds: 0, isAccountRequired: true };
		expect(guest.frames.at(-1)!.message).toEqual({ type: 'chat-settings', settings });
		expect(await outcomeOf(room.send('1', { text: 'x' }))).toBe('CHAT_READ_ONLY');
		expect((await room.join(member('2'), undefined)).chatName).toBeNull();
		expect((await room.join(member('3', ANN), undefined)).chatName).toBe('ann');
	});

	it('are banned by address, which binds only accounts that are younger than the ban', async () => {
		await join('mod', MOD);
		const guest = await join('1');
		await room.send('1', { text: 'rude' });
		await delivered();
		const [message] = (await room.join(member('x'), undefined)).history;
		await room.moderate('mod', { action: 'ban', messageId: message!.id });
		await delivered();
		const authorId = message!.author.id;
		expect(guest.frames.at(-1)!.message).toEqual({ type: 'chat-removed', messageIds: [], authorId });
		await join('2');
		await join('3', ANN);
		await join('4', undefined, { remoteAddress: '198.51.100.7' });
		expect(await outcomeOf(room.send('2', { text: 'me again' }))).toBe('CHAT_BANNED');
		expect(await outcomeOf(room.send('3', { text: 'hi' }))).toBe('accepted');
		const younger: User = { id: createId(clock.nowMs()), name: 'younger', role: 'viewer' };
		await join('older', { id: createId(clock.nowMs() - 60_000), name: 'older', role: 'viewer' });
		await join('younger', younger);
		await join('younger elsewhere', younger, { remoteAddress: '198.51.100.8' });
		expect(await outcomeOf(room.send('older', { text: 'good day' }))).toBe('accepted');
		expect(await outcomeOf(room.send('younger', { text: 'here I am again' }))).toBe('CHAT_BANNED');
		expect(await outcomeOf(room.send('younger elsewhere', { text: 'good evening' }))).toBe('accepted');
		expect(await outcomeOf(room.send('4', { text: 'hi there' }))).toBe('accepted');
		expect((await room.join(member('5'), undefined)).history.map(({ text }) => text)).not.toContain('rude');
		expect(JSON.stringify(store.restrictions)).not.toContain('192.0.2.1');
	});
});

describe('limits', () => {
	it('reports when to try again, and accepts the message then', async () => {
		await join('1', ANN);
		const results = await Promise.allSettled(
			Array.from({ length: 8 }, (_, index) => room.send('1', { text: `n ${index}` })),
		);
		expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
		expect(results.at(-1)).toMatchObject({ reason: { code: 'CHAT_TOO_FAST', retryAfterSeconds: 1 } });
		await clock.advance(1000);
		expect(await outcomeOf(room.send('1', { text: 'n 9' }))).toBe('accepted');
	});

	it('limits many guests of one address', async () => {
		const results: string[] = [];
		for (let index = 0; index < 30; index++) {
			await join(`g${index}`);
			results.push(await outcomeOf(room.send(`g${index}`, { text: `different ${index * 7919}` })));
		}
		expect(results.filter((result) => result === 'accepted')).toHaveLength(10);
	});

	it('refuses disguised repetitions, and a text that many guests send', async () => {
		await join('1', ANN);
		await join('mod', MOD);
		await room.send('1', { text: 'Hello there' });
		expect(await outcomeOf(room.send('1', { text: 'HELLO   thére!!' }))).toBe('CHAT_DUPLICATE');
		await clock.advance(31_000);
		expect(await outcomeOf(room.send('1', { text: 'hello there' }))).toBe('accepted');
		await room.send('mod', { text: 'hello there' });
		expect(await outcomeOf(room.send('mod', { text: 'hello there' }))).toBe('accepted');
		const results: string[] = [];
		for (let index = 0; index < 5; index++) {
			await join(`g${index}`, undefined, { remoteAddress: `203.0.113.${index}` });
			results.push(await outcomeOf(room.send(`g${index}`, { text: 'visit my wonderful page' })));
		}
		expect(results).toEqual(['accepted', 'accepted', 'accepted', 'CHAT_DUPLICATE', 'CHAT_DUPLICATE']);
	});

	it('slows everyone except moderators', async () => {
		store.policy = { ...store.policy, slowModeSeconds: 10 };
		rooms.settingsChanged(CHANNEL);
		await clock.advance(1);
		await join('1', ANN);
		await join('mod', MOD);
		await room.send('1', { text: 'a' });
		const refusal = { code: 'CHAT_SLOW_MODE', retryAfterSeconds: 10 };
		await expect(room.send('1', { text: 'b' })).rejects.toMatchObject(refusal);
		await clock.advance(10_000);
		expect(await outcomeOf(room.send('1', { text: 'c' }))).toBe('accepted');
		await room.send('mod', { text: 'a' });
		expect(await outcomeOf(room.send('mod', { text: 'b' }))).toBe('accepted');
	});

	it('refuses blocked words and invalid messages', async () => {
		store.policy = { ...store.policy, blockedWords: ['spoiler'] };
		rooms.settingsChanged(CHANNEL);
		await clock.advance(1);
		await join('1', ANN);
		expect(await outcomeOf(room.send('1', { text: 'a SP0ÍLER!' }))).toBe('CHAT_WORD_BLOCKED');
		await clock.advance(10_000);
		for (const text of ['', '   ', '\u200b\u200b', 'x'.repeat(501), '/nonsense', '/me']) {
			expect(await outcomeOf(room.send('1', { text }))).toBe('CHAT_MESSAGE_INVALID');
			await clock.advance(2000);
		}
	});

	it('drops an impossible capture time', async () => {
		await join('1', ANN);
		for (const [index, captureTimeMs] of [clock.nowMs() + 60_000, 0, -1, NaN].entries()) {
			await room.send('1', { text: `t${index}`, captureTimeMs });
			await clock.advance(1500);
		}
		const { history } = await room.join(member('2'), undefined);
		expect(history.map((message) => message.captureTimeMs)).toEqual([null, null, null, null]);
	});
});

describe('moderation', () => {
	it('is for moderators, on authors of a lower rank', async () => {
		await Promise.all([join('o', OWNER), join('m', MOD), join('a', ADMIN), join('1', ANN), join('2', BOB)]);
		store.users = [{ id: 'mod-2', name: 'mia', role: 'viewer' }];
		store.moderatorIds.add('mod-2');
		rooms.settingsChanged(CHANNEL);
		await clock.advance(1);
		for (const [actor, userName, outcome] of [
			['1', 'bob', 'CHAT_MODERATION_REFUSED'],
			['m', 'olga', 'CHAT_MODERATION_REFUSED'],
			['m', 'mia', 'CHAT_MODERATION_REFUSED'],
			['m', 'max', 'CHAT_MODERATION_REFUSED'],
			['o', 'root', 'CHAT_MODERATION_REFUSED'],
			['m', 'nobody', 'CHAT_TARGET_UNKNOWN'],
			['m', 'ann', 'accepted'],
			['o', 'mia', 'accepted'],
			['a', 'olga', 'accepted'],
		] as const) {
			expect(await outcomeOf(room.moderate(actor, { action: 'ban', userName })), `${actor} ${userName}`).toBe(outcome);
		}
		await delivered();
		expect(await outcomeOf(room.send('1', { text: 'x' }))).toBe('CHAT_BANNED');
	});

	it('does not let a time-out shorten a ban', async () => {
		await Promise.all([join('m', MOD), join('1', ANN)]);
		await room.moderate('m', { action: 'ban', userName: 'ann' });
		await room.moderate('m', { action: 'timeout', userName: 'ann', seconds: 2 });
		await delivered();
		await clock.advance(10_000);
		expect(await outcomeOf(room.send('1', { text: 'x' }))).toBe('CHAT_BANNED');
		await room.moderate('m', { action: 'unban', userName: 'ann' });
		await delivered();
		expect(await outcomeOf(room.send('1', { text: 'x' }))).toBe('accepted');
	});

	it('notifies only the members concerned, at once', async () => {
		const moderator = await join('m', MOD);
		const elsewhere = { remoteAddress: '198.51.100.7' };
		// More than one slice.
		const crowd = await Promise.all(Array.from({ length: 450 }, (_, index) => join(`c${index}`, undefined, elsewhere)));
		const [ann, bob] = [await join('1', ANN), await join('2', BOB)];
		const standings = (of: TestMember): unknown[] =>
			of.frames.flatMap(({ message: { type, ...rest } }) => (type === 'chat-standing' ? [rest] : []));
		const free = { chatName: 'ann', canModerate: false, chatRestriction: null };
		await room.send('m', { text: '/timeout ann 1m' });
		await delivered();
		expect(standings(ann)).toEqual([{ ...free, chatRestriction: { remainingMs: 60_000 } }]);
		await room.send('m', { text: '/ban ann' });
		await delivered();
		expect(standings(ann)[1]).toEqual({ ...free, chatName: null, chatRestriction: { remainingMs: null } });
		expect(await room.join(member('3', ANN), undefined)).toMatchObject({ chatRestriction: { remainingMs: null } });
		await room.send('m', { text: '/unban ann' });
		await delivered();
		expect(standings(ann)[2]).toEqual(free);
		expect([moderator, bob, ...crowd].flatMap(standings)).toEqual([]);
		store.moderatorIds.add(ANN.id);
		rooms.settingsChanged(CHANNEL);
		await delivered();
		expect(standings(ann)[3]).toEqual({ ...free, canModerate: true });
	});

	it('times out and releases by command', async () => {
		const [, ann] = [await join('m', MOD), await join('1', ANN)];
		await room.send('1', { text: 'oops' });
		await room.send('m', { text: '/timeout @Ann 1m' });
		await delivered();
		expect(ann.frames.at(-1)).toMatchObject({
			message: { type: 'chat-removed', messageIds: [], authorId: 'ann' },
			removal: { author: { name: 'ann', seconds: 60 } },
		});
		const refusal = { code: 'CHAT_TIMED_OUT', retryAfterSeconds: 60 };
		await expect(room.send('1', { text: 'x' })).rejects.toMatchObject(refusal);
		await clock.advance(60_000);
		expect(await outcomeOf(room.send('1', { text: 'back' }))).toBe('accepted');
		await room.send('m', { text: '/ban ann' });
		await delivered();
		expect(await outcomeOf(room.send('1', { text: 'x1' }))).toBe('CHAT_BANNED');
		expect((await room.join(member('9', ANN), undefined)).chatName).toBeNull();
		await room.send('m', { text: '/unban ann' });
		await delivered();
		expect(await outcomeOf(room.send('1', { text: 'x2' }))).toBe('accepted');
		expect(await outcomeOf(room.send('m', { text: '/unban nobody' }))).toBe('CHAT_TARGET_UNKNOWN');
	});

	it('deletes messages, also from the history; authors may delete their own', async () => {
		const [, ann] = [await join('m', MOD), await join('1', ANN)];
		await join('2', BOB);
		const { messageId: first } = await room.send('1', { text: 'one' });
		const { messageId: second } = await room.send('1', { text: 'two' });
		await delivered();
		expect(await outcomeOf(room.moderate('2', { action: 'delete', messageId: first }))).toBe('CHAT_MODERATION_REFUSED');
		await room.moderate('m', { action: 'delete', messageId: first });
		await room.moderate('1', { action: 'delete', messageId: second });
		await delivered();
		const removed = ann.frames.filter(({ message }) => message.type === 'chat-removed');
		expect(removed.map(({ message }) => message)).toEqual([
			{ type: 'chat-removed', messageIds: [first] },
			{ type: 'chat-removed', messageIds: [second] },
		]);
		expect(removed[0]!.removal!.messages.map(({ text }) => text)).toEqual(['one']);
		const { history, hasGap } = await room.join(member('3'), first);
		expect([history, hasGap]).toEqual([[], false]);
		expect(await outcomeOf(room.moderate('m', { action: 'delete', messageId: 'nope' }))).toBe('CHAT_TARGET_UNKNOWN');
	});

	it('sets slow mode by command', async () => {
		const [, ann] = [await join('m', MOD), await join('1', ANN)];
		expect(await outcomeOf(room.send('1', { text: '/slow 5' }))).toBe('CHAT_MODERATION_REFUSED');
		await room.send('m', { text: '/slow 5' });
		await delivered();
		expect(ann.frames.at(-1)!.message).toMatchObject({ type: 'chat-settings', settings: { slowModeSeconds: 5 } });
		await room.send('m', { text: '/slow off' });
		await delivered();
		expect(store.policy.slowModeSeconds).toBe(0);
	});

	it('sends standings only when they may have changed', async () => {
		const ann = await join('1', ANN);
		store.policy = { ...store.policy, blockedWords: ['rude'] };
		rooms.settingsChanged(CHANNEL);
		await delivered();
		expect(await outcomeOf(room.send('1', { text: 'rude' }))).toBe('CHAT_WORD_BLOCKED');
		expect(ann.frames).toEqual([]);
	});

	it('applies even when the database is lost, and reports that it is not stored', async () => {
		await join('m', MOD);
		await join('1', ANN);
		await clock.advance(1);
		store.isLost = true;
		expect(await outcomeOf(room.moderate('m', { action: 'timeout', userName: 'ann' }))).toBe('DATABASE_UNAVAILABLE');
		await delivered();
		expect(await outcomeOf(room.send('1', { text: 'x' }))).toBe('CHAT_TIMED_OUT');
	});
});

describe('two nodes', () => {
	const across = async (): Promise<void> => {
		for (let round = 0; round < 4; round++) {
			await new Promise((resolve) => setImmediate(resolve));
			await clock.advance(20);
		}
	};

	it('release in a room without members, on all nodes, and refuse while the bus is lost', async () => {
		const faulty = new FaultyBus(bus);
		const empty = createTestRooms({ bus: faulty, store, clock });
		await Promise.all([join('m', MOD), join('1', ANN)]);
		await room.moderate('m', { action: 'ban', userName: 'ann' });
		faulty.lose();
		const refused = outcomeOf(empty.release(CHANNEL, 'ann'));
		await clock.advance(4000);
		expect([await refused, store.restrictions.length, empty.roomCount]).toEqual(['BUS_UNAVAILABLE', 2, 0]);
		faulty.restore();
		await empty.release(CHANNEL, 'Ann');
		await across();
		expect(await outcomeOf(room.send('1', { text: 'back' }))).toBe('accepted');
		expect([store.restrictions.length, empty.roomCount]).toEqual([0, 0]);
		await empty.close();
	});

	it('share messages, moderation and slow mode', async () => {
		const others = createTestRooms({ bus, store, clock });
		const elsewhere = others.open(CHANNEL);
		const bob = member('b', BOB);
		await elsewhere.join(bob, undefined);
		await elsewhere.join(member('m', MOD), undefined);
		await join('1', ANN);
		const { messageId } = await room.send('1', { text: 'hello over there' });
		await across();
		expect(bob.texts()).toEqual(['hello over there']);
		await elsewhere.moderate('m', { action: 'timeout', messageId, seconds: 30 });
		await across();
		expect(await outcomeOf(room.send('1', { text: 'x' }))).toBe('CHAT_TIMED_OUT');
		await others.close();
	});
});
