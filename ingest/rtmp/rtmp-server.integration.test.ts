/** Tests of the RTMP server with real sockets: FFmpeg over loopback, and malicious clients. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock, withDeadline } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { AudioTrackConfig, TrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { splitLengthPrefixed } from '../../core/media/h264.ts';
import { parseSps } from '../../core/media/h264-parameter-sets.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import type { RtmpMediaUnit } from './flv-demuxer.ts';
import type { RtmpPublisher } from './rtmp-publisher.ts';
import { DEFAULT_RTMP_SERVER_CONFIG, RtmpServer, type RtmpServerConfig } from './rtmp-server.ts';
import {
	clientHello,
	concat,
	EncoderDouble,
	hex,
	IDR_NAL,
	legacy,
	lengthPrefixed,
} from '../../core/wire/rtmp/testing/encoder-double.ts';

const KEY = 'sk_goodkey';
const PATIENCE_MS = 20_000;

/** All output of one publisher. */
type Recording = { publisher: RtmpPublisher; configs: TrackConfig[]; units: RtmpMediaUnit[]; closed: Promise<string> };

class Bench {
	readonly logger = new RecordingLogger();
	readonly recordings: Recording[] = [];
	readonly server: RtmpServer<string>;
	port = 0;
	#onRecording: (() => void) | undefined;

	constructor(config: Partial<RtmpServerConfig> = {}) {
		this.server = new RtmpServer(
			{
				clock: systemClock,
				logger: this.logger,
				authorizer: {
					authorize: (keys) =>
						keys.some((key) => key === KEY)
							? Promise.resolve('channel')
							: Promise.reject(new SpillwayError('STREAM_KEY_REFUSED')),
					isKnownAddress: () => false,
				},
			},
			{ ...DEFAULT_RTMP_SERVER_CONFIG, port: 0, host: '127.0.0.1', refusalDelayMs: 50, lingerMs: 200, ...config },
		);
		this.server.on('publisherStarted', (publisher) => this.#record(publisher));
	}

	async listen(): Promise<this> {
		this.port = (await this.server.listen()).port;
		return this;
	}

	get url(): string {
		return `rtmp://127.0.0.1:${this.port}/live/${KEY}`;
	}

	/** The n-th publisher, once it was accepted. */
	async recording(index: number): Promise<Recording> {
		while (this.recordings[index] === undefined) {
			await withDeadline(
				systemClock,
				new Promise<void>((resolve) => (this.#onRecording = resolve)),
				PATIENCE_MS,
				() => new Error('no publisher came'),
			);
		}
		return this.recordings[index];
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.server.close('server-shutdown');
	}

	#record(publisher: RtmpPublisher): void {
		const recording: Recording = {
			publisher,
			configs: [],
			units: [],
			closed: new Promise((resolve) => publisher.on('closed', resolve)),
		};
		publisher.on('trackConfigured', (config) => recording.configs.push(config));
		publisher.on('mediaUnit', (unit) => recording.units.push(unit));
		this.recordings.push(recording);
		this.#onRecording?.();
	}
}

const benches: Bench[] = [];
afterEach(async () => {
	for (const bench of benches.splice(0)) {
		await bench.server.close('server-shutdown');
		expect(bench.server.statistics.connectionCount).toBe(0);
		const lines = JSON.stringify(bench.logger.lines);
		expect(lines).not.toContain(KEY);
		expect(bench.logger.lines.filter((line) => line.level === 'error')).toEqual([]);
	}
});

async function startBench(config?: Partial<RtmpServerConfig>): Promise<Bench> {
	const bench = await new Bench(config).listen();
	benches.push(bench);
	return bench;
}

async function runFfmpeg(inputs: string[], output: string[]): Promise<{ exitCode: number | null; stderr: string }> {
	const child = spawn('ffmpeg', ['-v', 'warning', '-nostdin', ...inputs, ...output], {
		stdio: ['ignore', 'ignore', 'pipe'],
	});
	let stderr = '';
	child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
	try {
		const [exitCode] = (await withDeadline(
			systemClock,
			once(child, 'close'),
			PATIENCE_MS,
			() => new Error('FFmpeg did not end'),
		)) as [number | null];
		return { exitCode, stderr };
	} finally {
		child.kill('SIGKILL');
	}
}

const SECONDS = 3;
const picture = (framesPerSecond: number): string[] =>
	`-f lavfi -i testsrc=size=320x180:rate=${framesPerSecond}`.split(' ');
const sound = (sampleRate: number): string[] => `-f lavfi -i sine=sample_rate=${sampleRate}`.split(' ');
const publish = (bench: Bench, codecs: string, url = bench.url): string[] =>
	`-t ${SECONDS} -pix_fmt yuv420p ${codecs} -f flv ${url}`.split(' ');
const ULTRAFAST = '-c:v libx264 -preset ultrafast';

describe('RtmpServer with FFmpeg', () => {
	it.each([
		{
			name: 'without B-frames, 48 kHz',
			framesPerSecond: 30,
			sampleRate: 48_000,
			bFrames: 0,
			profileIdc: 66,
			preset: 'ultrafast',
		},
		{
			name: 'with two B-frames, 44.1 kHz',
			framesPerSecond: 25,
			sampleRate: 44_100,
			bFrames: 2,
			profileIdc: 100,
			preset: 'veryfast',
		},
	])('receives every picture and frame $name', async ({ framesPerSecond, sampleRate, bFrames, profileIdc, preset }) => {
		const bench = await startBench();
		const gop = `-bf ${bFrames} -g ${framesPerSecond} -sc_threshold 0`;
		const codecs = `-c:v libx264 -preset ${preset} ${gop} -c:a aac -ac 2`;
		const { exitCode } = await runFfmpeg([...picture(framesPerSecond), ...sound(sampleRate)], publish(bench, codecs));
		expect(exitCode).toBe(0);
		const { publisher, configs, units, closed } = await bench.recording(0);
		expect(await closed).toBe('unpublished');
		expect(publisher.encoderName).toMatch(/^Lavf/);

		const video = configs.find((config): config is VideoTrackConfig => config.kind === 'video')!;
		const audio = configs.find((config): config is AudioTrackConfig => config.kind === 'audio')!;
		expect(configs).toHaveLength(2);
		expect([video.widthPixels, video.heightPixels, parseSps(video.sps[0]!)!.profileIdc]).toEqual([
			320,
			180,
			profileIdc,
		]);
		expect(audio).toMatchObject({ sampleRate, channelCount: 2 });

		const pictures = units.filter((unit) => unit.kind === 'video');
		const frames = units.filter((unit) => unit.kind === 'audio');
		expect(pictures).toHaveLength(SECONDS * framesPerSecond);
		expect(pictures.filter((unit) => unit.isKeyFrame)).toHaveLength(SECONDS);
		// The encoder's priming adds one or two frames.
		const soundFrames = Math.ceil((SECONDS * sampleRate) / 1024);
		expect(frames.length).toBeGreaterThanOrEqual(soundFrames);
		expect(frames.length).toBeLessThanOrEqual(soundFrames + 2);
		const timesOf = (sent: RtmpMediaUnit[]): number[] => sent.map(({ decodeTimeMs }) => decodeTimeMs);
		expectEven(timesOf(pictures), 1000 / framesPerSecond);
		expectEven(timesOf(frames), 1024_000 / sampleRate);
		// Shown in order, evenly, and each picture once.
		const shown = pictures
			.map((unit) => unit.decodeTimeMs + unit.compositionOffsetMs)
			.sort((one, other) => one - other);
		expectEven(shown, 1000 / framesPerSecond);
		expect(pictures.some((unit) => unit.compositionOffsetMs !== 0)).toBe(bFrames > 0);
		for (const unit of pictures) {
			const types = splitLengthPrefixed(unit.bytes).map((nal) => nal[0]! & 0x1f);
			expect(types.filter((type) => ![1, 5, 6].includes(type))).toEqual([]);
			expect(types.includes(5)).toBe(unit.isKeyFrame);
		}
		expect(publisher.statistics).toMatchObject({
			ignoredTagCount: 0,
			videoUnitCount: pictures.length,
			audioUnitCount: frames.length,
		});
	});

	it('receives sound alone, and a picture alone', async () => {
		const bench = await startBench();
		expect((await runFfmpeg(sound(48_000), publish(bench, '-c:a aac'))).exitCode).toBe(0);
		expect((await runFfmpeg(picture(30), publish(bench, ULTRAFAST))).exitCode).toBe(0);
		expect((await bench.recording(0)).configs.map((config) => config.kind)).toEqual(['audio']);
		expect((await bench.recording(1)).configs.map((config) => config.kind)).toEqual(['video']);
	});

	it('refuses FFmpeg with a wrong key and the reason, and keeps serving', async () => {
		const bench = await startBench();
		const wrongUrl = `rtmp://127.0.0.1:${bench.port}/live/wrong`;
		const refused = await runFfmpeg(picture(30), publish(bench, ULTRAFAST, wrongUrl));
		expect(refused.exitCode).not.toBe(0);
		expect(refused.stderr).toContain('The stream key was not accepted.');
		expect(bench.recordings).toEqual([]);
		for (const app of ['live', 'live/any']) {
			const url = `rtmp://127.0.0.1:${bench.port}/${app}?key=${KEY}`;
			expect((await runFfmpeg(picture(30), publish(bench, ULTRAFAST, url))).exitCode).toBe(0);
		}
		expect(bench.recordings.map(({ units }) => units.length)).toEqual([90, 90]);
	});

	it('ends the publisher of a killed encoder', async () => {
		const bench = await startBench();
		const output = `${ULTRAFAST} -f flv ${bench.url}`.split(' ');
		const child = spawn('ffmpeg', ['-v', 'error', '-nostdin', '-re', ...picture(30), ...output], { stdio: 'ignore' });
		try {
			const { publisher, closed } = await bench.recording(0);
			await new Promise<void>((resolve) => publisher.on('mediaUnit', () => resolve(), { once: true }));
			child.kill('SIGKILL');
			expect(await closed).toBe('connection-lost');
		} finally {
			child.kill('SIGKILL');
		}
	});
});

/** Times that step by `stepMs`, each rounded to a millisecond by FLV. */
function expectEven(timesMs: number[], stepMs: number): void {
	const origin = timesMs[0]!;
	timesMs.forEach((timeMs, index) => {
		expect(Math.abs(timeMs - origin - index * stepMs)).toBeLessThanOrEqual(1.5);
	});
}

/** Sends the pieces and waits until the server closes the connection. */
async function sendAndAwaitClose(port: number, ...pieces: Uint8Array[]): Promise<Uint8Array> {
	const socket = net.connect(port, '127.0.0.1');
	const received: Buffer[] = [];
	socket.on('data', (bytes) => received.push(bytes));
	// A connection that is cut with unread bytes is reset, which is an end as well.
	socket.on('error', () => undefined);
	for (const piece of pieces) {
		socket.write(piece);
	}
	try {
		await withDeadline(systemClock, once(socket, 'close'), PATIENCE_MS, () => new Error('the connection stayed open'));
	} finally {
		socket.destroy();
	}
	return new Uint8Array(Buffer.concat(received));
}

/** An encoder that has begun to publish. */
async function startEncoder(
	bench: Bench,
): Promise<{ socket: net.Socket; encoder: EncoderDouble; recording: Recording }> {
	const index = bench.recordings.length;
	const encoder = new EncoderDouble();
	const socket = net.connect(bench.port, '127.0.0.1');
	socket.on('error', () => undefined).resume();
	socket.write(concat(encoder.handshake(), encoder.connect(), encoder.publish(KEY), encoder.headers()));
	const recording = await bench.recording(index);
	return { socket, encoder, recording };
}

async function expectServing(bench: Bench): Promise<void> {
	const { socket, encoder, recording } = await startEncoder(bench);
	const arrived = new Promise<RtmpMediaUnit>((resolve) => recording.publisher.on('mediaUnit', resolve));
	socket.write(encoder.video(40, legacy.picture(lengthPrefixed([IDR_NAL]), { isKey: true })));
	const unit = await withDeadline(systemClock, arrived, PATIENCE_MS, () => new Error('the server does not serve'));
	expect(unit.decodeTimeMs).toBe(40);
	socket.destroy();
	expect(await recording.closed).toBe('connection-lost');
}

const greeting = (): { encoder: EncoderDouble; bytes: Uint8Array } => {
	const encoder = new EncoderDouble();
	return { encoder, bytes: encoder.handshake() };
};

describe('RtmpServer with malicious clients (RX-1 to RX-6)', () => {
	const noise = crypto.getRandomValues(new Uint8Array(60_000));
	noise[0] = 0xf7;
	it.each<[string, () => Uint8Array]>([
		['random bytes', () => noise],
		['random bytes after the handshake', () => concat(greeting().bytes, noise)],
		['an HTTP request', () => new Uint8Array(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))],
		['a TLS hello', () => hex('1603010200010001fc0303')],
		['an oversized message', () => concat(greeting().bytes, hex('04 000000 a00001 09 01000000'))],
		[
			'a strict array of 0xffffffff',
			() => concat(greeting().bytes, hex('03 000000 000012 14 00000000 0200016100 3ff0000000000000 0affffffff')),
		],
		[
			'10 000 nested objects',
			() => {
				const { encoder, bytes } = greeting();
				return concat(bytes, encoder.message(20, concat(...Array<Uint8Array>(10_000).fill(hex('03000161')))));
			},
		],
		['a chunk size of 0', () => concat(greeting().bytes, hex('02 000000 000004 01 00000000 00000000'))],
		[
			'200 headers of 9 MB each',
			() =>
				concat(
					greeting().bytes,
					...Array.from({ length: 200 }, (_, id) =>
						concat(Uint8Array.of(0, id), hex('000000 900000 09 01000000'), new Uint8Array(128)),
					),
				),
		],
		[
			'a connect without a URL, then a cut string',
			() => {
				const { encoder, bytes } = greeting();
				return concat(bytes, encoder.command(['connect', 1, new Map()]), encoder.message(20, hex('0200ff61')));
			},
		],
	])('closes only the connection with %s', async (_name, bytes) => {
		const bench = await startBench();
		const { socket, recording } = await startEncoder(bench);
		await sendAndAwaitClose(bench.port, bytes());
		const lines = bench.logger.lines.filter((line) => line.message === 'RTMP connection ended before it published');
		expect(lines.map((line) => line.fields['reason'])).toEqual(['protocol-error']);
		expect(recording.publisher.endReason).toBeUndefined();
		await expectServing(bench);
		socket.destroy();
	});

	it('cuts off a client that sends a byte now and then, and a silent one', async () => {
		const bench = await startBench({ handshakeTimeoutMs: 200, publishTimeoutMs: 200 });
		const slow = net.connect(bench.port, '127.0.0.1').on('error', () => undefined);
		const hello = clientHello();
		let sent = 0;
		const cancel = systemClock.setInterval(() => slow.write(hello.subarray(sent, ++sent)), 20);
		await Promise.all([
			once(slow.resume(), 'close'),
			sendAndAwaitClose(bench.port),
			sendAndAwaitClose(bench.port, greeting().bytes),
		]);
		cancel();
		const lines = bench.logger.lines.filter((line) => line.level !== 'debug');
		expect(lines.map((line) => line.fields['reason'])).toEqual(Array(3).fill('timed-out'));
		await expectServing(bench);
	});

	it('ends a publisher that falls silent', async () => {
		const bench = await startBench({ idleTimeoutMs: 150 });
		const { recording } = await startEncoder(bench);
		expect(await recording.closed).toBe('timed-out');
	});

	it('drops connections beyond the limit, and admits others when there is room again', async () => {
		const bench = await startBench({ maxConnectionCount: 2, reservedConnectionCount: 0 });
		const [first, second] = [await startEncoder(bench), await startEncoder(bench)];
		await sendAndAwaitClose(bench.port, greeting().bytes);
		expect(bench.server.statistics).toEqual({ connectionCount: 2, droppedConnectionCount: 1 });
		first.socket.end();
		await once(first.socket, 'close');
		await expectServing(bench);
		second.socket.destroy();
	});

	it('answers a wrong key on a connection that continues to send, then closes it', async () => {
		const bench = await startBench();
		const encoder = new EncoderDouble();
		const bytes = concat(
			encoder.handshake(),
			encoder.connect(),
			encoder.publish('wrong'),
			encoder.headers(),
			encoder.video(0, new Uint8Array(500_000)),
		);
		const answer = Buffer.from(await sendAndAwaitClose(bench.port, bytes)).toString('latin1');
		expect(answer).toContain('NetStream.Publish.Denied');
	});
});

describe('RtmpServer, lifecycle', () => {
	it('closes once, with its publishers, and admits no client afterwards', async () => {
		const bench = await startBench();
		const { recording, socket } = await startEncoder(bench);
		await Promise.all([bench.server.close('server-shutdown'), bench.server.close('server-shutdown')]);
		expect(await recording.closed).toBe('server-shutdown');
		expect(bench.server.statistics.connectionCount).toBe(0);
		await expect(once(net.connect(bench.port, '127.0.0.1'), 'connect')).rejects.toThrow(/ECONNREFUSED/);
		expect(() => bench.server.listen()).toThrow(TypeError);
		socket.destroy();
	});

	it('rejects when the port is taken', async () => {
		const bench = await startBench();
		await using second = new Bench({ port: bench.port });
		await expect(second.server.listen()).rejects.toThrow(/EADDRINUSE/);
	});

	it('closes a publisher on request, and its connection', async () => {
		const bench = await startBench();
		const { recording, socket } = await startEncoder(bench);
		const ended = once(socket, 'close');
		await recording.publisher.close('replaced');
		await ended;
		expect(await recording.closed).toBe('replaced');
		expect(bench.server.statistics.connectionCount).toBe(0);
	});
});
