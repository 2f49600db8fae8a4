/** Tests of announcements between two nodes on one bus. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { InProcessBus } from '../bus/in-process-bus.ts';
import { busUnavailable, type MessageBus } from '../bus/message-bus.ts';
import { Announcements } from './announcements.ts';

const clock = new FakeClock();
const logger = new RecordingLogger();
const heard: string[] = [];
let isLost: boolean;
let bus: InProcessBus;
let here: Announcements;
let there: Announcements;

beforeEach(() => {
	isLost = false;
	heard.length = 0;
	bus = new InProcessBus({ clock, logger });
	const mayBeLost: Pick<MessageBus, 'publish' | 'subscribe'> = {
		publish: async (topic, message) => (isLost ? Promise.reject(busUnavailable()) : bus.publish(topic, message)),
		subscribe: async (topic, listener) => (isLost ? Promise.reject(busUnavailable()) : bus.subscribe(topic, listener)),
	};
	here = new Announcements({ nodeId: 'here', bus: mayBeLost, clock, logger });
	there = new Announcements({ nodeId: 'there', bus, clock, logger });
});

afterEach(async () => {
	await Promise.all([here.close(), there.close(), bus.close()]);
	expect(clock.pendingCount).toBe(0);
});

async function listenBoth(): Promise<void> {
	for (const [name, node] of Object.entries({ here, there })) {
		await node.listen('channels/control', ({ command }) => heard.push(`${name} ${command.kind}`));
	}
}

const delivered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const command = { kind: 'chat-changed', channelId: 'c1' } as const;

it('applies here at once and there a moment later, each once', async () => {
	await listenBoth();
	const announced = here.announce('channels/control', { command });
	expect(heard).toEqual(['here chat-changed']);
	await announced;
	await delivered();
	expect(heard).toEqual(['here chat-changed', 'there chat-changed']);
});

it('does not apply here an announcement to others', async () => {
	await listenBoth();
	await here.announceToOthers('channels/control', { command });
	await delivered();
	expect(heard).toEqual(['there chat-changed']);
});

it('keeps its wire format, and ignores any other', async () => {
	const wire: unknown[] = [];
	await listenBoth();
	await bus.subscribe('channels/control', (message) => wire.push(message));
	await here.announceToOthers('channels/control', { command });
	await bus.publish('channels/control', { senderId: 'x', command: { kind: 'unknown' } });
	await delivered();
	expect(wire[0]).toEqual({ command, senderId: 'here' });
	expect(heard).toEqual(['there chat-changed']);
});

it('works for this node while the bus is away, and hears other nodes when it is back', async () => {
	isLost = true;
	await listenBoth();
	await here.announce('channels/control', { command });
	expect(heard).toEqual(['here chat-changed']);
	expect(logger.lines.map(({ message }) => message)).toEqual([
		'other nodes are not heard',
		'a change could not be announced to other nodes',
	]);
	isLost = false;
	await clock.advance(1000);
	await there.announceToOthers('channels/control', { command });
	await delivered();
	expect(heard).toEqual(['here chat-changed', 'here chat-changed']);
});

it('does not call a listener that has ended', async () => {
	const end = await here.listen('channel:changed', (name) => heard.push(name));
	end();
	await here.announce('channel:changed', 'demo');
	await delivered();
	expect(heard).toEqual([]);
});
