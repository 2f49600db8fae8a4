/** FFmpeg's priority by what it encodes, and its environment: paths only. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const LAUNCHER = fileURLToPath(new URL('./launch-ffmpeg.sh', import.meta.url));

/** Runs a shell in FFmpeg's place, with FFmpeg's arguments behind its own. */
function launch(command: string, ...ffmpegArguments: string[]): string {
	const env = { PATH: process.env['PATH'], FFMPEG_PATH: 'sh', SPILLWAY_METRICS_TOKEN: 'a-secret' };
	return execFileSync(LAUNCHER, ['-c', command, ...ffmpegArguments], { env, encoding: 'utf8' }).trim();
}

it('lowers the priority for pictures, and not for sound or a trial', () => {
	const own = Number(execFileSync('nice', { encoding: 'utf8' }));
	expect(Number(launch('nice', '-i', 'pipe:0', '-map', '[out0]', '-c:v', 'libx264'))).toBe(Math.min(19, own + 10));
	expect(Number(launch('nice', '-i', 'pipe:0', '-map', '0:a:0', '-c:a', 'libopus'))).toBe(own);
	expect(Number(launch('nice', '-f', 'lavfi', '-i', 'testsrc2', '-map', '[out0]', '-c:v', 'libx264'))).toBe(own);
});

it.each(['mjpeg', 'rawvideo'])('gives still pictures the lowest priority, and bounds: %s', (encoder) => {
	expect(launch('nice; ulimit -t; ulimit -v', '-map', '0:v:0', '-c:v', encoder, '-f', 'nut').split('\n')).toEqual([
		'19',
		'120',
		'2097152',
	]);
});

it('passes on no secret', () => {
	expect(launch('env', '-map', '0:a:0')).not.toMatch(/SPILLWAY|a-secret/);
});
