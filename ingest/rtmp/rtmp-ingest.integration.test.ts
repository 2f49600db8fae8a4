/** Tests of RTMP publishers on their way into broadcasts, over real sockets: what is refused, and how that is said. */
import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from './rtmp-server.ts';
import type { Broadcast } from '../broadcast/broadcast.ts';
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

it('refuses, before it has begun to publish, an encoder that would be one take-over too many, and says so', async () => {
	const opened: string[] = [];
	await using server = createRtmpIngest(
		{ ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', lingerMs: 200 },
		{
			clock: systemClock,
			logger: new RecordingLogger(),
			authorizer: { authorize: () => Promise.resolve(PERMISSION), isKnownAddress: () => false },
			registry: {
				checkAdmission: ({ channelName }) => {
					throw new SpillwayError('TAKE_OVERS_TOO_FREQUENT', [channelName === 'demo' ? 42 : 0]);
				},
				open: ({ channelName }) => {
					opened.push(channelName);
					return Promise.reject(new SpillwayError('SERVER_STOPPING'));
				},
			},
		},
	);
	const { port } = await server.listen();
	const socket = net.connect(port, '127.0.0.1');
	let heard = '';
	socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
	const encoder = new EncoderDouble();
	socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish('key')));
	await once(socket, 'end', { signal: AbortSignal.timeout(10_000) });
	socket.destroy();
	expect(heard).toContain('NetStream.Publish.Rejected');
	expect(heard).toContain('keep replacing one another; the one on air stays. Stop the other, or try again in 42 s.');
	expect(heard).not.toContain('NetStream.Publish.Start');
	expect(opened).toEqual([]);
});

it.each([0, 100, 3000])(
	'passes on the end of an encoder that sent %i units and said goodbye before its broadcast was open',
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
		await using server = createRtmpIngest(
			{ ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', lingerMs: 200 },
			{
				clock: systemClock,
				logger,
				authorizer: { authorize: () => Promise.resolve(PERMISSION), isKnownAddress: () => false },
				registry: { checkAdmission: () => undefined, open: () => opening.promise },
			},
		);
		const { port } = await server.listen();
		const socket = net.connect(port, '127.0.0.1');
		const encoder = new EncoderDouble();
		const frames = Array.from({ length: unitCount }, (_, index) =>
			encoder.audio(index * 21, legacy.aacFrame(Uint8Array.of(0x21, 0x10, 5))),
		);
		let heard = '';
		socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
		socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish('key'), encoder.headers()));
		await expect.poll(() => heard, { timeout: 10_000 }).toContain('NetStream.Publish.Start');
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
