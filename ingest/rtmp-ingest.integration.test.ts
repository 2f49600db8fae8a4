/** Tests of RTMP publishers on their way into broadcasts, over real sockets: what is refused, and how that is said. */
import { once } from 'node:events';
import net from 'node:net';
import { expect, it } from 'vitest';
import { systemClock } from '../core/clock.ts';
import { SpillwayError } from '../core/errors.ts';
import type { ChannelId, ChannelName } from '../core/ids.ts';
import { RecordingLogger } from '../core/testing/recording-logger.ts';
import type { PublishReport } from './publish-report.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from './rtmp/rtmp-server.ts';
import { concat, EncoderDouble } from './rtmp/testing/encoder-double.ts';
import { createRtmpIngest } from './rtmp-ingest.ts';

const PERMISSION = {
	channelId: 'channel' as ChannelId,
	channelName: 'demo' as ChannelName,
	graceWindowMs: 60_000,
	streamKeyId: 'key',
};

it('refuses, before it has begun to publish, an encoder that would be one take-over too many, and says so', async () => {
	const opened: string[] = [];
	const reports: PublishReport[] = [];
	await using server = createRtmpIngest(
		{ ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', lingerMs: 200 },
		{
			clock: systemClock,
			logger: new RecordingLogger(),
			authorizer: { authorize: () => Promise.resolve(PERMISSION) },
			registry: {
				report: (_channelName, report) => reports.push(report),
				checkTakeOver: ({ channelName }) => {
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
	expect(reports).toMatchObject([{ code: 'refused', message: expect.stringContaining('42 s') as string }]);
});
