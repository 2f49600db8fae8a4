/**
 * The built-in moving test picture: `node loadtest/test-picture.ts --url rtmp://127.0.0.1:1935/live`, with the stream
 * key in the environment variable SPILLWAY_TEST_PICTURE_KEY. It publishes by RTMP until a signal stops it, or until its
 * parent ends, which closes standard input (a pipe) or the IPC channel.
 */
import { parseArgs } from 'node:util';
import { sleep, systemClock } from '../core/lifecycle/clock.ts';
import { FlvReader } from '../core/wire/flv.ts';
import { EncoderProcess } from './source/encoder-process.ts';
import { aacDelayMs, RAW_INPUT } from './source/encoder-settings.ts';
import { RtmpConnection, RtmpError } from './clients/rtmp/rtmp-connection.ts';
import { type SourceFormat, SourceLoop } from './source/source-loop.ts';
import { TestCard } from './source/test-card.ts';

const KEY_VARIABLE = 'SPILLWAY_TEST_PICTURE_KEY';
const FORMAT: SourceFormat = { widthPixels: 1280, heightPixels: 720, frameRate: 30, sampleRate: 48_000 };
const GOP_FRAMES = 60;
/** A server on the same machine restarts quickly; a shorter wait only fills its log. */
const RETRY_AFTER_MS = 2000;

/** A machine that is busy for less than this leaves pictures out. */
const ENCODER_PATIENCE_MS = 20_000;

/** Passes through to both tiers: no B-frames, a key frame every 2 s, colours declared so that all players agree. */
const ENCODER_ARGUMENTS: readonly string[] = [
	...[...RAW_INPUT, '-map', '0:v', '-map', '0:a', '-vsync', 'cfr', '-r', String(FORMAT.frameRate)],
	...['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-threads', '1', '-pix_fmt', 'yuv420p'],
	...['-bf', '0', '-g', String(GOP_FRAMES), '-keyint_min', String(GOP_FRAMES), '-sc_threshold', '0'],
	...['-crf', '23', '-maxrate', '2500k', '-bufsize', '2500k'],
	...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'tv'],
	...['-c:a', 'aac', '-b:a', '128k', '-flvflags', 'no_duration_filesize', '-flush_packets', '1', '-f', 'flv', 'pipe:1'],
];

const stopping = new AbortController();

/** Publishes until `stopping` aborts. Rejects when the connection is lost or FFmpeg fails. */
async function publishOnce(url: string, streamKey: string): Promise<void> {
	const connection = await RtmpConnection.publish(url, streamKey);
	const encoder = new EncoderProcess(ENCODER_ARGUMENTS, FORMAT, new TestCard(FORMAT.widthPixels, FORMAT.heightPixels));
	const loop = new SourceLoop(systemClock, FORMAT, encoder, aacDelayMs(FORMAT.sampleRate));
	const flv = new FlvReader();
	try {
		await new Promise<void>((resolve, reject) => {
			stopping.signal.addEventListener('abort', () => resolve(), { once: true });
			connection.onLost = reject;
			encoder.onFailure = reject;
			encoder.patienceMs = ENCODER_PATIENCE_MS;
			encoder.output.on('data', (bytes: Buffer) => flv.push(bytes).forEach((tag) => connection.send(tag)));
			loop.start();
		});
	} catch (error) {
		connection.abort();
		throw error;
	} finally {
		loop.stop();
		connection.close();
		await encoder.kill();
	}
}

async function main(): Promise<number> {
	const { values } = parseArgs({ options: { url: { type: 'string' } } });
	const streamKey = process.env[KEY_VARIABLE];
	if (values.url === undefined || streamKey === undefined) {
		console.error(`Usage: ${KEY_VARIABLE}=<stream key> node loadtest/test-picture.ts --url rtmp://127.0.0.1:1935/live`);
		return 2;
	}
	// Not inherited by FFmpeg, whose environment others can read as easily as its arguments.
	delete process.env[KEY_VARIABLE];
	followParent();
	while (!stopping.signal.aborted) {
		try {
			await publishOnce(values.url, streamKey);
		} catch (error) {
			console.error(`Test picture: ${(error as Error).message}`);
			if (error instanceof RtmpError && error.isRefusal) {
				return 1;
			}
			// Rejects when `stopping` aborts, which the loop's condition checks.
			await sleep(systemClock, RETRY_AFTER_MS, stopping.signal).catch(() => undefined);
		}
	}
	return 0;
}

function followParent(): void {
	const stop = (): void => stopping.abort();
	process.once('SIGTERM', stop);
	process.once('SIGINT', stop);
	if (process.connected) {
		process.once('disconnect', stop);
	} else if (!process.stdin.isTTY) {
		process.stdin.once('end', stop).once('error', stop).resume();
	}
}

// Keeps the process alive until main() is done, which timers of core/lifecycle/clock.ts do not.
const keepAlive = setInterval(() => undefined, 60_000);
process.exitCode = await main();
clearInterval(keepAlive);
process.exit();
