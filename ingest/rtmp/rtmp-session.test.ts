/** Tests of rtmp-session.ts, without a socket and with a fake clock. */
import { describe, expect, it } from 'vitest';
import { MESSAGE_TYPE } from '../../core/wire/rtmp/rtmp-messages.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from './rtmp-server.ts';
import { FFMPEG_SESSION, OBS_SESSION } from '../../core/wire/rtmp/testing/captured-sessions.ts';
import {
	clientHello,
	concat,
	type EncoderDouble,
	hex,
	IDR_NAL,
	legacy,
	lengthPrefixed,
	SLICE_NAL,
} from '../../core/wire/rtmp/testing/encoder-double.ts';
import { KEY, trackBenches } from './testing/session-bench.ts';

const { setUp, publishing } = trackBenches();

const keyFrame = legacy.picture(lengthPrefixed([IDR_NAL]), { isKey: true });
const picture = legacy.picture(lengthPrefixed([SLICE_NAL]));

describe('RtmpSession with captured encoders', () => {
	it.each([
		['OBS 32.2', OBS_SESSION, ['config audio', 'config video'], /^obs-output module/],
		['FFmpeg 5.1', FFMPEG_SESSION, ['config video', 'config audio'], /^Lavf59/],
	])('answers %s so that it publishes', async (_name, bytes, configs, encoderName) => {
		const bench = setUp();
		const { session, connection, clock, encoder, logger, events } = bench;
		session.receive(concat(encoder.handshake(), bytes));
		await clock.advance(0);
		expect(session.state).toBe('publishing');
		expect(bench.authorization).toBe('authorization');
		expect(events.slice(1)).toEqual(configs);
		expect(bench.publisher!.encoderName).toMatch(encoderName);
		expect(
			connection.messages.slice(0, 3).map((message) => [message.typeId, Buffer.from(message.payload).toString('hex')]),
		).toEqual([
			[MESSAGE_TYPE.WINDOW_ACKNOWLEDGEMENT_SIZE, '002625a0'],
			[MESSAGE_TYPE.SET_PEER_BANDWIDTH, '002625a002'],
			// FakeConnection's reader applies Set Chunk Size, which does not show here; createStream's answers follow.
			[MESSAGE_TYPE.COMMAND_AMF0, expect.any(String)],
		]);
		expect(connection.commands).toEqual([
			[
				'_result',
				1,
				{ fmsVer: 'FMS/3,5,7,7009', capabilities: 31, mode: 1 },
				{
					level: 'status',
					code: 'NetConnection.Connect.Success',
					description: 'Connection succeeded.',
					objectEncoding: 0,
				},
			],
			['_result', 2, null, undefined],
			['_result', 3, null, undefined],
			['_result', 4, null, 1],
			['onStatus', 0, null, { level: 'status', code: 'NetStream.Publish.Start', description: 'Publishing started.' }],
		]);
		expect(logger.lines.filter((line) => line.level !== 'debug').map((line) => line.message)).toEqual([
			'RTMP publisher accepted',
		]);
	});

	it('gives the same events when the bytes arrive one by one', async () => {
		const bench = setUp();
		const { session, clock, encoder, events } = bench;
		for (const byte of concat(encoder.handshake(), OBS_SESSION)) {
			session.receive(Uint8Array.of(byte));
		}
		await clock.advance(0);
		expect(events.slice(1)).toEqual(['config audio', 'config video']);
		expect(bench.publisher!.statistics.bytesReceived).toBe(3073 + OBS_SESSION.length);
	});
});

describe('RtmpSession, publishing', () => {
	it('delivers media that is sent before the key check, in order and after the listeners are attached', async () => {
		let accept!: (authorization: string) => void;
		const { session, encoder, clock, events } = await publishing({
			authorize: () => new Promise((resolve) => (accept = resolve)),
		});
		session.receive(
			concat(encoder.headers(), encoder.video(0, keyFrame), encoder.audio(5, legacy.aacFrame(hex('2110')))),
		);
		expect(session.state).toBe('authorizing');
		expect(session.bufferedBytes).toBeGreaterThan(0);
		expect(events).toEqual([]);
		accept('late');
		await clock.advance(0);
		expect(events).toEqual(['config video', 'config audio', 'video 0', 'audio 5']);
		expect(session.bufferedBytes).toBe(0);
	});

	it('limits the messages before the key check, empty ones included', async () => {
		for (const body of [new Uint8Array(1_000_000), new Uint8Array(0)]) {
			const { session, encoder } = await publishing({ authorize: () => new Promise(() => undefined) });
			const message = encoder.video(0, body);
			const piece = body.length > 0 ? message : concat(...Array<Uint8Array>(10_000).fill(message));
			for (let count = 0; count < 20; count++) {
				session.receive(piece);
			}
			expect(session.endReason).toBe('protocol-error');
			expect(session.bufferedBytes).toBeLessThanOrEqual(DEFAULT_RTMP_SERVER_CONFIG.maxBufferedBytes);
		}
	});

	it('stamps units with the time of arrival and counts them', async () => {
		const bench = await publishing();
		const { session, encoder, clock, units } = bench;
		session.receive(encoder.headers());
		await clock.advance(250);
		session.receive(concat(encoder.video(0, keyFrame), encoder.video(40, picture), encoder.video(80, hex('2c'))));
		expect(units.map((unit) => unit.arrivedAtMs)).toEqual([250, 250]);
		expect(bench.publisher!.statistics).toMatchObject({
			videoUnitCount: 2,
			keyFrameCount: 1,
			audioUnitCount: 0,
			ignoredTagCount: 1,
			lastIgnoredTag: 'video-codec-unsupported: HEVC (H.265)',
		});
	});

	it('splits aggregates', async () => {
		const bench = await publishing();
		const { session, encoder, units } = bench;
		session.receive(encoder.headers());
		const tag = (type: number, timeMs: number, body: Uint8Array): Uint8Array =>
			concat(Uint8Array.of(type, 0, 0, body.length, 0, 0, timeMs, 0, 0, 0, 0), body, new Uint8Array(4));
		session.receive(
			encoder.message(
				MESSAGE_TYPE.AGGREGATE,
				concat(tag(9, 10, keyFrame), tag(8, 20, legacy.aacFrame(hex('21'))), tag(22, 0, hex('00'))),
				500,
				1,
			),
		);
		expect(units.map((unit) => [unit.kind, unit.decodeTimeMs])).toEqual([
			['video', 500],
			['audio', 510],
		]);
		session.receive(encoder.message(MESSAGE_TYPE.AGGREGATE, hex('09 0000ff 000000 00 000000 aa'), 0, 1));
		expect(bench.publisher!.problems.map(({ code }) => code)).toEqual(['video-damaged']);
		expect(session.state).toBe('publishing');
	});

	it('ignores unreadable metadata, and continues', async () => {
		const bench = await publishing();
		const { session, encoder } = bench;
		session.receive(
			concat(
				encoder.message(MESSAGE_TYPE.DATA_AMF0, hex('0a ffffffff'), 0, 1),
				encoder.message(MESSAGE_TYPE.DATA_AMF3, hex('11'), 0, 1),
			),
		);
		expect(session.state).toBe('publishing');
		expect(bench.publisher!.statistics.ignoredTagCount).toBe(2);
	});

	it('R-7 acknowledges every window, of 2.5 MB by default or of the requested size', async () => {
		const { session, connection, encoder } = await publishing();
		const acknowledged = (): number[] =>
			connection.messages
				.filter((message) => message.typeId === MESSAGE_TYPE.ACKNOWLEDGEMENT)
				.map((message) => new DataView(message.payload.buffer).getUint32(0));
		session.receive(encoder.video(0, new Uint8Array(2_400_000)));
		expect(acknowledged()).toEqual([]);
		session.receive(encoder.video(0, new Uint8Array(100_000)));
		expect(acknowledged()).toHaveLength(1);
		expect(acknowledged()[0]).toBeGreaterThan(2_500_000);
		session.receive(encoder.message(MESSAGE_TYPE.WINDOW_ACKNOWLEDGEMENT_SIZE, hex('00001000')));
		session.receive(encoder.video(0, new Uint8Array(10_000)));
		expect(acknowledged()).toHaveLength(2);
	});

	it('R-8 answers a ping, and unknown commands, with the same number', async () => {
		const { session, connection, encoder } = await publishing();
		session.receive(encoder.message(MESSAGE_TYPE.USER_CONTROL, hex('0006 01020304')));
		session.receive(
			concat(
				encoder.command(['_checkbw', 8, null]),
				encoder.command(['whatever', 9, null]),
				encoder.command(['quiet', 0, null]),
			),
		);
		expect(
			connection.messages
				.filter((message) => message.typeId === MESSAGE_TYPE.USER_CONTROL)
				.map((message) => Buffer.from(message.payload).toString('hex')),
		).toEqual(['000000000001', '000701020304']);
		expect(connection.commands.slice(-2).map((command) => command.slice(0, 2))).toEqual([
			['_result', 8],
			['_error', 9],
		]);
		expect(session.state).toBe('publishing');
	});

	it('R-21 announces its support of Enhanced RTMP to an encoder that asks', () => {
		const { session, connection, encoder } = setUp();
		session.receive(concat(encoder.handshake(), encoder.connect({ fourCcList: ['*'] })));
		expect(connection.commands[0]).toMatchObject([
			'_result',
			1,
			{ capsEx: 12, videoFourCcInfoMap: { avc1: 5 } },
			{ capsEx: 12, fourCcList: ['avc1', 'mp4a'] },
		]);
	});
});

describe('RtmpSession, ends', () => {
	it.each(['FCUnpublish', 'deleteStream', 'closeStream'])('R-24 is unpublished by %s', async (name) => {
		const { session, encoder, connection, events } = await publishing();
		session.receive(encoder.command([name, 6, null, 1]));
		session.connectionEnded();
		expect(events).toEqual(['closed unpublished']);
		expect(connection.statusCodes).toEqual(['NetStream.Publish.Start', 'NetStream.Unpublish.Success']);
	});

	it('R-24 is a loss without unpublishing, and a clean stop after an end of sequence', async () => {
		const lost = await publishing();
		lost.session.receive(lost.encoder.headers());
		lost.session.connectionEnded();
		expect(lost.events.at(-1)).toBe('closed connection-lost');
		const ended = await publishing();
		ended.session.receive(
			concat(ended.encoder.headers(), ended.encoder.video(0, keyFrame), ended.encoder.video(0, legacy.avcEnd())),
		);
		expect(ended.session.state).toBe('publishing');
		ended.session.connectionEnded();
		expect(ended.events.at(-1)).toBe('closed unpublished');
		const resumed = await publishing();
		resumed.session.receive(
			concat(resumed.encoder.headers(), resumed.encoder.video(0, legacy.avcEnd()), resumed.encoder.video(0, keyFrame)),
		);
		resumed.session.connectionEnded();
		expect(resumed.events.at(-1)).toBe('closed connection-lost');
	});

	it.each(['replaced', 'key-revoked'] as const)(
		'closes once as %s, notifies the encoder, and emits nothing afterwards',
		async (reason) => {
			const bench = await publishing();
			const { session, encoder, connection, events } = bench;
			session.receive(encoder.headers());
			await Promise.all([bench.publisher!.close(reason), bench.publisher!.close('server-shutdown')]);
			session.receive(encoder.video(0, keyFrame));
			session.connectionEnded();
			expect(events).toEqual(['config video', 'config audio', `closed ${reason}`]);
			expect(connection.statusCodes).toEqual(['NetStream.Publish.Start', 'NetStream.Publish.Denied']);
			expect(bench.publisher!.endReason).toBe(reason);
		},
	);

	it.each(['worker-died', 'server-shutdown'] as const)(
		'lets the encoder reconnect when closed as %s',
		async (reason) => {
			const bench = await publishing();
			await bench.publisher!.close(reason);
			expect(bench.events).toEqual([`closed ${reason}`]);
			expect(bench.connection.statusCodes).toEqual(['NetStream.Publish.Start']);
		},
	);

	it('may be closed by the listener of a new publisher, and by one in the middle of its media', async () => {
		const first = await publishing({ onPublisher: (publisher) => void publisher.close('replaced') });
		expect(first.connection.statusCodes).toEqual(['NetStream.Publish.Denied']);
		expect(first.events).toEqual(['closed replaced']);
		const second = await publishing({
			onPublisher: (publisher) => publisher.on('mediaUnit', () => void publisher.close('replaced')),
		});
		second.session.receive(
			concat(second.encoder.headers(), second.encoder.video(0, keyFrame), second.encoder.video(40, picture)),
		);
		expect(second.events).toEqual(['config video', 'config audio', 'video 0', 'closed replaced']);
	});

	it('survives a listener that throws', async () => {
		const { session, logger, encoder, units } = await publishing({
			onPublisher: (publisher) =>
				publisher.on('mediaUnit', () => {
					throw new TypeError('a listener broke');
				}),
		});
		session.receive(concat(encoder.headers(), encoder.video(0, keyFrame)));
		expect(session.state).toBe('publishing');
		expect(units).toHaveLength(1);
		expect(logger.lines.some((line) => line.message === 'an event listener failed')).toBe(true);
	});

	it('RX-3 gives the handshake one deadline, however often a byte arrives', async () => {
		const { session, clock, logger } = setUp();
		for (const byte of clientHello().subarray(0, 10)) {
			session.receive(Uint8Array.of(byte));
			await clock.advance(499);
		}
		expect(session.state).toBe('handshaking');
		await clock.advance(10);
		expect(session.endReason).toBe('timed-out');
		expect(logger.lines.filter((line) => line.level !== 'debug')).toEqual([
			{
				level: 'info',
				fields: {
					remoteAddress: '192.0.2.7',
					reason: 'timed-out',
					state: 'handshaking',
					why: 'no handshake within 5000 ms',
				},
				message: 'RTMP connection ended before it published',
			},
		]);
	});

	it.each([
		['connect', (encoder: EncoderDouble) => encoder.handshake()],
		['publish', (encoder: EncoderDouble) => concat(encoder.handshake(), encoder.connect())],
		['the key check', (encoder: EncoderDouble) => concat(encoder.handshake(), encoder.connect(), encoder.publish(KEY))],
	])('RX-2 does not wait for %s longer than allowed', async (_name, bytes) => {
		const { session, clock, encoder } = setUp({ authorize: () => new Promise(() => undefined) });
		session.receive(bytes(encoder));
		for (let count = 0; count < 99; count++) {
			await clock.advance(100);
			session.receive(encoder.message(MESSAGE_TYPE.USER_CONTROL, hex('0003 00000001 00000bb8')));
		}
		expect(session.endReason).toBeUndefined();
		await clock.advance(101);
		expect(session.endReason).toBe('timed-out');
	});

	it('RX-2 ends a publisher that falls silent, and no other', async () => {
		const { session, clock, encoder, events } = await publishing();
		for (let count = 0; count < 10; count++) {
			await clock.advance(9000);
			session.receive(encoder.video(count * 9000, hex('27')));
		}
		expect(session.endReason).toBeUndefined();
		await clock.advance(9999);
		expect(session.endReason).toBeUndefined();
		await clock.advance(1);
		expect(events).toEqual(['closed timed-out']);
	});

	it('ends a connection that does not read its answers', async () => {
		const { session, encoder, connection, events } = await publishing();
		connection.pendingWriteBytes = 65_537;
		session.receive(encoder.message(MESSAGE_TYPE.USER_CONTROL, hex('0006 00000000')));
		expect(events).toEqual(['closed timed-out']);
	});

	it('drops the result of a key check that comes too late', async () => {
		let accept!: (authorization: string) => void;
		const bench = await publishing({
			authorize: () => new Promise((resolve) => (accept = resolve)),
		});
		const { session, clock } = bench;
		session.connectionEnded();
		accept('late');
		await clock.advance(0);
		expect(session.endReason).toBe('connection-lost');
		expect(bench.publisher).toBeUndefined();
	});
});
