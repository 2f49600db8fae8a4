/** The contract of every message bus as tests: the unit test runs it in process, the integration test against Redis. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BusValue, MessageBus } from './message-bus.ts';

export type BusUnderTest = {
	kind: string;
	open: () => Promise<MessageBus>;
	pass: (ms: number) => Promise<void>;
};

const LONG_MS = 60_000;

/** Collects the messages of a subscription and lets a test wait for them. */
export class Inbox {
	readonly messages: BusValue[] = [];
	#waiting: Array<() => void> = [];

	readonly listener = (message: BusValue): void => {
		this.messages.push(message);
		this.#waiting.splice(0).forEach((wake) => wake());
	};

	async count(count: number): Promise<BusValue[]> {
		while (this.messages.length < count) {
			await new Promise<void>((resolve) => this.#waiting.push(resolve));
		}
		return this.messages;
	}
}

export function describeBusContract({ kind, open, pass }: BusUnderTest): void {
	describe(`MessageBus (${kind})`, () => {
		let bus: MessageBus;
		beforeAll(async () => {
			bus = await open();
		});
		afterAll(async () => {
			await bus.close();
		});
		const current = (): MessageBus => bus;
		describe('messages', () => describeMessages(current));
		describe('keys', () => describeKeys(current, pass));
		describe('sorted sets', () => describeSortedSets(current, pass));
		describe('history', () => describeHistory(current, pass));
		describe('life', () => describeLife(open));
	});
}

function describeMessages(bus: () => MessageBus): void {
	it('delivers to every subscriber of the topic, in order, and to no other', async () => {
		const [one, two, other] = [new Inbox(), new Inbox(), new Inbox()];
		await Promise.all([
			bus().subscribe('order', one.listener),
			bus().subscribe('order', two.listener),
			bus().subscribe('other', other.listener),
		]);
		for (let index = 0; index < 50; index++) {
			void bus().publish('order', index);
		}
		await bus().publish('other', 'end');
		const expected = Array.from({ length: 50 }, (_, index) => index);
		expect(await one.count(50)).toEqual(expected);
		expect(await two.count(50)).toEqual(expected);
		expect(await other.count(1)).toEqual(['end']);
	});

	it('delivers copies, later than publish() returns', async () => {
		const inbox = new Inbox();
		await bus().subscribe('copies', inbox.listener);
		const message = { list: [1, 'ä', null], gone: undefined } as unknown as { list: BusValue[] };
		const published = bus().publish('copies', message as unknown as BusValue);
		expect(inbox.messages).toEqual([]);
		await published;
		message.list.push('later');
		expect(await inbox.count(1)).toStrictEqual([{ list: [1, 'ä', null] }]);
	});

	it('does not deliver messages from before or after the subscription', async () => {
		const [inbox, witness] = [new Inbox(), new Inbox()];
		await bus().publish('window', 'before');
		const end = await bus().subscribe('window', inbox.listener);
		await bus().subscribe('window', witness.listener);
		await bus().publish('window', 'during');
		await witness.count(1);
		end();
		await bus().publish('window', 'after');
		await witness.count(2);
		expect(inbox.messages).toEqual(['during']);
	});

	it('delivers again when a topic is unsubscribed and subscribed at once', async () => {
		const [first, second] = [new Inbox(), new Inbox()];
		const end = await bus().subscribe('rejoin', first.listener);
		end();
		await bus().subscribe('rejoin', second.listener);
		await bus().publish('rejoin', 1);
		expect(await second.count(1)).toEqual([1]);
		expect(first.messages).toEqual([]);
	});

	it('delivers to other subscribers when one throws', async () => {
		const inbox = new Inbox();
		await bus().subscribe('throwing', () => {
			throw new Error('a failing subscriber');
		});
		await bus().subscribe('throwing', inbox.listener);
		await bus().publish('throwing', 1);
		expect(await inbox.count(1)).toEqual([1]);
	});

	it('refuses values that are not JSON', async () => {
		await expect(bus().publish('json', undefined as unknown as null)).rejects.toThrow(TypeError);
	});
}

function describeKeys(bus: () => MessageBus, pass: (ms: number) => Promise<void>): void {
	it('keeps a value until it is deleted', async () => {
		await bus().set('kept', { a: [1] }, LONG_MS);
		expect(await bus().get('kept')).toEqual({ a: [1] });
		await bus().delete('kept');
		expect(await bus().get('kept')).toBeUndefined();
		await bus().delete('kept');
	});

	it('expires a key', async () => {
		await bus().set('short', 1, 2000);
		expect(await bus().get('short')).toBe(1);
		await pass(2100);
		expect(await bus().get('short')).toBeUndefined();
	});

	it('prolongs a key that is set again', async () => {
		await bus().set('again', 1, 200);
		await bus().set('again', 2, LONG_MS);
		await pass(300);
		expect(await bus().get('again')).toBe(2);
	});

	it('refuses an invalid time to live', async () => {
		await expect(bus().set('never', 1, 0)).rejects.toThrow(TypeError);
		await expect(bus().set('never', 1, NaN)).rejects.toThrow(TypeError);
	});
}

function describeSortedSets(bus: () => MessageBus, pass: (ms: number) => Promise<void>): void {
	it('returns members by score, then by name', async () => {
		// prettier-ignore
		const members: Array<[string, number]> = [['b', 2], ['a', 2], ['c', 1.5], ['d', 1_760_000_000_000.25], ['e', -1]];
		for (const [member, score] of members) {
			await bus().addToSortedSet('scores', member, score, LONG_MS);
		}
		expect(await bus().membersOfSortedSet('scores', 10)).toEqual(['e', 'c', 'a', 'b', 'd']);
		expect(await bus().membersOfSortedSet('scores', 2)).toEqual(['e', 'c']);
	});

	it('moves, removes and trims members', async () => {
		await bus().addToSortedSet('moving', 'a', 1, LONG_MS);
		await bus().addToSortedSet('moving', 'a', 5, LONG_MS);
		await bus().addToSortedSet('moving', 'b', 2, LONG_MS);
		await bus().addToSortedSet('moving', 'c', 3, LONG_MS);
		expect(await bus().membersOfSortedSet('moving', 9)).toEqual(['b', 'c', 'a']);
		await bus().trimSortedSet('moving', 3);
		expect(await bus().membersOfSortedSet('moving', 9)).toEqual(['c', 'a']);
		await bus().removeFromSortedSet('moving', 'c');
		await bus().removeFromSortedSet('moving', 'c');
		expect(await bus().membersOfSortedSet('moving', 9)).toEqual(['a']);
	});

	it('expires a whole set', async () => {
		await bus().addToSortedSet('vanishing', 'a', 1, 200);
		await pass(300);
		expect(await bus().membersOfSortedSet('vanishing', 5)).toEqual([]);
		await bus().trimSortedSet('vanishing', 9);
	});
}

function describeHistory(bus: () => MessageBus, pass: (ms: number) => Promise<void>): void {
	it('returns entries after an id, oldest first, up to a limit', async () => {
		const ids: string[] = [];
		for (let index = 0; index < 5; index++) {
			ids.push(await bus().appendToHistory('chat', { index }, 10, LONG_MS));
		}
		const all = await bus().readHistory('chat', undefined, 10);
		expect(all).toEqual({ entries: ids.map((id, index) => ({ id, value: { index } })), isComplete: true });
		expect(await bus().readHistory('chat', ids[2], 10)).toEqual({ entries: all.entries.slice(3), isComplete: true });
		expect(await bus().readHistory('chat', ids[0], 2)).toEqual({ entries: all.entries.slice(1, 3), isComplete: true });
		expect(await bus().readHistory('chat', ids[4], 10)).toEqual({ entries: [], isComplete: true });
	});

	it('keeps the newest entries, and reports a gap to a reader who missed some', async () => {
		const ids: string[] = [];
		for (let index = 0; index < 6; index++) {
			ids.push(await bus().appendToHistory('bounded', index, 3, LONG_MS));
		}
		const page = await bus().readHistory('bounded', ids[0], 10);
		expect(page.entries.map((entry) => entry.value)).toEqual([3, 4, 5]);
		expect(page.isComplete).toBe(false);
		expect((await bus().readHistory('bounded', ids[3], 10)).isComplete).toBe(true);
	});

	it('expires a history, and reports the gap to its readers', async () => {
		const id = await bus().appendToHistory('fleeting', 1, 3, 200);
		await pass(300);
		expect(await bus().readHistory('fleeting', undefined, 10)).toEqual({ entries: [], isComplete: true });
		expect(await bus().readHistory('fleeting', id, 10)).toEqual({ entries: [], isComplete: false });
	});

	it.each(['', 'x', '1', '-1-1', '1-1 ', '1-1)', '99999999999999999-1'])('refuses the id %j', async (id) => {
		await expect(bus().readHistory('chat', id, 10)).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
	});
}

function describeLife(open: () => Promise<MessageBus>): void {
	it('answers its health check, closes once, and refuses calls after that', async () => {
		const bus = await open();
		await bus.checkHealth();
		const first = bus.close();
		expect(bus.close()).toBe(first);
		await first;
		const calls = [bus.publish('x', 1), bus.subscribe('x', () => undefined), bus.get('x'), bus.checkHealth()];
		for (const call of calls) {
			await expect(call).rejects.toMatchObject({ code: 'SERVER_STOPPING' });
		}
	});
}
