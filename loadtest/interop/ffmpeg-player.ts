/** FFmpeg's HLS reader as a player: `ffmpeg` decodes the live address, `ffprobe` lists its packets. */
import { spawn } from 'node:child_process';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { PlayerResult } from './player-result.ts';

/** For FFmpeg beyond the playing time: it starts three segments behind, and waits for the last one. */
const SPARE_MS = 30_000;
const MAX_COMPLAINTS = 50;
/** FFmpeg reads the init segment again after each reload of any live playlist, and prints this. */
const HARMLESS = /Found duplicated MOOV Atom\. Skipped it/g;
const PREFIX = /\[[^\]]* @ 0x[0-9a-f]+\]/g;

/** Decodes for that long. Every warning of FFmpeg is a complaint. */
export async function playWithFfmpeg(url: string, durationMs: number): Promise<PlayerResult> {
	const { output, complaints } = await run('ffmpeg', durationMs, [
		...['-hide_banner', '-nostdin', '-loglevel', 'repeat+warning', '-progress', 'pipe:1'],
		...['-i', url, '-t', String(durationMs / 1000)],
		// Without it FFmpeg rounds the times of decoded pictures to its guess of the frame rate. For pictures of an uneven
		// camera clock it then warns of equal times, HLS or not.
		...['-enc_time_base:v', '1:90000', '-f', 'null', '-'],
	]);
	const frameCount = Number([...output.matchAll(/^frame=\s*(\d+)/gm)].at(-1)?.[1] ?? 0);
	return { player: 'ffmpeg', frameCount, complaints };
}

/** Reads the packets of that many milliseconds of media; their decode times must rise in every stream. */
export async function playWithFfprobe(url: string, durationMs: number): Promise<PlayerResult> {
	const { output, complaints } = await run('ffprobe', durationMs, [
		...['-hide_banner', '-loglevel', 'repeat+warning', '-show_entries', 'packet=stream_index,pts,dts'],
		...['-of', 'csv=p=0', '-read_intervals', `%+${durationMs / 1000}`, url],
	]);
	// A packet with side data, such as samples to skip, is followed by an empty line.
	const rows = output.split('\n').filter((row) => row !== '');
	return { player: 'ffprobe', frameCount: rows.length, complaints: [...complaints, ...packetFaults(rows)] };
}

/** Faults of lines `stream,pts,dts`: a time that is missing, or one that does not rise. @internal for tests */
export function packetFaults(rows: readonly string[]): string[] {
	const faults: string[] = [];
	const last = new Map<string, number>();
	for (const row of rows) {
		const [stream = '', pts = '', dts = ''] = row.split(',');
		const before = last.get(stream) ?? -Infinity;
		if (!(Number(dts) > before) || pts === '' || !Number.isFinite(Number(pts))) {
			faults.push(`packet "${row}" after decode time ${before}`);
		}
		last.set(stream, Number(dts));
	}
	return faults.slice(0, MAX_COMPLAINTS);
}

/** FFmpeg's messages on standard error but harmless ones. Its threads' lines may be mixed. */
export function complaintsOf(standardError: string): string[] {
	return standardError
		.replace(HARMLESS, '')
		.split('\n')
		.filter((line) => line.replace(PREFIX, '').trim() !== '')
		.slice(0, MAX_COMPLAINTS);
}

function run(
	program: string,
	durationMs: number,
	programArguments: readonly string[],
): Promise<{ output: string; complaints: string[] }> {
	return new Promise((resolve) => {
		const child = spawn(program, programArguments, { stdio: ['ignore', 'pipe', 'pipe'] });
		let output = '';
		let standardError = '';
		let failure: string | undefined;
		child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
		child.stderr.setEncoding('utf8').on('data', (text: string) => (standardError += text));
		const cancel = systemClock.setTimeout(() => {
			failure = `${program} did not end by itself`;
			child.kill('SIGKILL');
		}, durationMs + SPARE_MS);
		child.once('error', (error) => (failure = `${program} cannot be started: ${error.message}`));
		child.once('close', (code, signal) => {
			cancel();
			if (code !== 0) {
				failure ??= `${program} ended with ${signal ?? code}`;
			}
			const complaints = complaintsOf(standardError);
			resolve({ output, complaints: failure === undefined ? complaints : [failure, ...complaints] });
		});
	});
}
