/** Tests of RTMP publishers on their way into broadcasts, over real sockets: refusals, and the end of early media. */
import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from './rtmp-server.ts';
import type { Broadcast } from '../broadcast/broadcast.ts';
import type { BroadcastRegistry } from '../broadcast/broadcast-registry.ts';
import type { Publisher, PublisherEndReason } from '../publisher/publisher.ts';
import { concat, EncoderDouble, legacy } from '../../core/wire/rtmp/testing/encoder-double.ts';
import { createRtmpIngest } from './rtmp-ingest.ts';

const PERMISSION = {
	channelId: 'channel' as ChannelId,
	channelName: 'demo' as ChannelName,
	graceWindowMs: 60_000,
	streamKeyId: 'key',
	owner: { id: undefined, isKnown: false, isAdministrator: false },
};

function createServer(registry: Pick<BroadcastRegistry, 'open' | 'checkAdmission'>, logger = new RecordingLogger()) {
	const authorizer = { authorize: () => Promise.resolve(PERMISSION), isKnownAddress: () => false };
	const config = { ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', lingerMs: 200 };
	return createRtmpIngest({ clock: systemClock, logger, authorizer, registry }, config);
}

/** `heard()`: all that the server has sent. */
function connect(port: number): { socket: net.Socket; heard: () => string } {
	const socket = net.connect(port, '127.0.0.1');
	let received = '';
	socket.setEncoding('latin1').on('data', (text: string) => (received += text));
	return { socket, heard: () => received };
}

it('refuses an encoder with one take-over too many, with the reason, before it publishes', async () => {
	const opened: string[] = [];
	await using server = createServer({
		checkAdmission: ({ channelName }) => {
			throw new SpillwayError('TAKE_OVERS_TOO_FREQUENT', [channelName === 'demo' ? 42 : 0]);
		},
		open: ({ channelName }) => {
			opened.push(channelName);
			return Promise.reject(new SpillwayError('SERVER_STOPPING'));
		},
	});
	const { socket, heard } = connect((await server.listen()).port);
	const encoder = new EncoderDouble();
	socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish('key')));
	await once(socket, 'end', { signal: AbortSignal.timeout(10_000) });
	socket.destroy();
	expect(heard()).toContain('NetStream.Publish.Rejected');
	expect(heard()).toContain('keep replacing one another; the one on air stays. Stop the other, or try again in 42 s.');
	expect(heard()).not.toContain('NetStream.Publish.Start');
	expect(opened).toEqual([]);
});

it.each([0, 100, 3000])(
	'forwards the end of an encoder that sends %i units and unpublishes before its broadcast is open',
	async (unitCount) => {
		const opening = Promise.withResolvers<Broadcast>();
		const attached = Promise.withResolvers<Publisher>();
		const ended: PublisherEndReason[] = [];
		let units = 0;
		const broadcast: Pick<Broadcast, 'attach'> = {
			attach: (publisher) => {
				publisher.on('unit', () => units++);
				publisher.on('closed', (reason) => ended.push(reason));
				attached.resolve(publisher);
			},
		};
		const logger = new RecordingLogger();
		await using server = createServer({ checkAdmission: () => undefined, open: () => opening.promise }, logger);
		const { socket, heard } = connect((await server.listen()).port);
		const encoder = new EncoderDouble();
		const frames = Array.from({ length: unitCount }, (_, index) =>
			encoder.audio(index * 21, legacy.aacFrame(Uint8Array.of(0x21, 0x10, 5))),
		);
		socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish('key'), encoder.headers()));
		await expect.poll(heard, { timeout: 10_000 }).toContain('NetStream.Publish.Start');
		socket.end(concat(...frames, encoder.command(['deleteStream', 7, null, 1])));
		await once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
		const isOver = (): boolean => logger.lines.some(({ message }) => message === 'RTMP publisher closed');
		await expect.poll(isOver, { timeout: 10_000 }).toBe(true);
		opening.resolve(broadcast as Broadcast);
		await attached.promise;
		await new Promise((resolve) => setImmediate(resolve));
		expect(ended).toEqual(['unpublished']);
		expect(units).toBeLessThanOrEqual(unitCount);
		expect(units).toBeGreaterThanOrEqual(Math.min(unitCount, 400));
	},
);
