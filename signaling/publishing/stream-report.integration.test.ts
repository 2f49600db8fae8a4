/** Tests the health report of a stream with unsupported codecs, over real RTMP. */
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import { createRtmpIngest } from '../../ingest/rtmp/rtmp-ingest.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from '../../ingest/rtmp/rtmp-server.ts';
import {
	AAC_48K_STEREO,
	concat,
	EncoderDouble,
	enhanced,
	hex,
	legacy,
} from '../../core/wire/rtmp/testing/encoder-double.ts';
import { FakeRouter } from '../../ingest/testing/fake-stage.ts';
import { FakeTrackSink } from '../../ingest/testing/fake-track-sink.ts';
import { FakeTranscoderFactory } from '../../ingest/testing/fake-transcoders.ts';
import type { Sfu } from '../../sfu/create-sfu.ts';
import type { Database } from '../platform/database/database.ts';
import { ApiBench, type TestBrowser } from '../testing/api-bench.ts';
import { openTestDatabase } from '../testing/both-databases.ts';

type Problem = { kind: string; code: string; message: string; advice: string };
type Health = { state: string; problems: Problem[]; lastPublisher: (Problem & { problems: Problem[] }) | null };

const HEVC = enhanced.video(1, 'hvc1', hex('00000011'));
const MP3 = hex('2f fffb9000');

describe('the health of a channel', () => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let bench: ApiBench;
	let owner: TestBrowser;
	let registry: BroadcastRegistry;
	let server: ReturnType<typeof createRtmpIngest>;
	let port: number;
	let streamKey: string;
	let socket: net.Socket;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase('embedded'));
	});
	afterAll(() => closeDatabase());

	beforeEach(async () => {
		const logger = new RecordingLogger();
		const sfu = { createBroadcastRouter: () => Promise.resolve(new FakeRouter().asRouter) };
		registry = new BroadcastRegistry({
			clock: systemClock,
			logger,
			sfu: sfu as unknown as Sfu,
			transcoders: new FakeTranscoderFactory(),
			ladderChoice: 'off',
			openPackager: () => new FakeTrackSink(),
			limits: {
				maxBroadcasts: 2,
				maxBroadcastsPerOwner: 1,
				maxEncoderPixelsPerSecond: 1e9,
				maxPublisherBitrateBps: 1e9,
			},
		});
		bench = await ApiBench.open(database, { registry });
		owner = await bench.signUp('owner');
		await owner.send('POST', '/api/v1/channels', { name: 'place' });
		const made = await owner.send('POST', '/api/v1/channels/place/stream-keys', { name: 'obs' });
		({ streamKey } = made.json<{ streamKey: string }>());
		server = createRtmpIngest(
			{ clock: systemClock, logger, authorizer: bench.publishing.authorizer, registry },
			{ ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', refusalDelayMs: 10, lingerMs: 200 },
		);
		({ port } = await server.listen());
		socket = net.connect(port, '127.0.0.1');
	});
	afterEach(async () => {
		socket.destroy();
		await server.close('server-shutdown');
		await registry.close();
		await bench.close();
		await database.runScript('DELETE FROM channels; DELETE FROM users');
	});

	const health = async (): Promise<Health> => (await owner.send('GET', '/api/v1/channels/place/health')).json<Health>();

	/** Sends the messages until the test is over. */
	async function publish(messages: (encoder: EncoderDouble, timeMs: number) => Uint8Array): Promise<() => string> {
		const encoder = new EncoderDouble();
		let heard = '';
		socket.on('error', () => undefined);
		socket.setEncoding('latin1').on('data', (text: string) => (heard += text));
		socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish(streamKey)));
		await vi.waitFor(() => expect(heard).toContain('NetStream.Publish.Start'), 10_000);
		let timeMs = 0;
		const send = async (): Promise<void> => {
			while (!socket.destroyed && socket.writable) {
				socket.write(messages(encoder, (timeMs += 500)));
				await sleep(systemClock, 50);
			}
		};
		void send();
		return () => heard;
	}

	it('names the codec of a picture that is left out, and the setting, while the sound plays', async () => {
		await publish((encoder, timeMs) =>
			concat(
				encoder.audio(timeMs, legacy.aacHeader(AAC_48K_STEREO)),
				encoder.audio(timeMs, legacy.aacFrame(hex('2110'))),
				encoder.video(timeMs, HEVC),
			),
		);
		await vi.waitFor(async () => {
			const { state, problems } = await health();
			expect(state).toBe('live');
			expect(problems).toEqual([
				{
					kind: 'video',
					code: 'video-codec-unsupported',
					message: expect.stringContaining('HEVC (H.265)') as string,
					advice: expect.stringContaining('H.264') as string,
				},
			]);
		}, 15_000);
	});

	it('reports to encoder and owner why a stream without any supported codec was ended', async () => {
		const heard = await publish((encoder, timeMs) => concat(encoder.audio(timeMs, MP3), encoder.video(timeMs, HEVC)));
		await vi.waitFor(async () => {
			expect((await health()).problems.map(({ code }) => code)).toEqual([
				'audio-codec-unsupported',
				'video-codec-unsupported',
			]);
		}, 10_000);
		await once(socket, 'end', { signal: AbortSignal.timeout(20_000) });
		expect(heard()).toMatch(/NetStream\.Publish\.Rejected.*MP3.*Choose AAC.*HEVC.*Choose H\.264/s);
		await vi.waitFor(async () => {
			const { state, problems, lastPublisher } = await health();
			expect({ state, problems }).toEqual({ state: 'offline', problems: [] });
			expect(lastPublisher).toMatchObject({
				code: 'media-unusable',
				problems: [{ code: 'audio-codec-unsupported' }, { code: 'video-codec-unsupported' }],
			});
		}, 10_000);
	});
});
