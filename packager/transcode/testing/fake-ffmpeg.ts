/** A program in FFmpeg's place, which fails as a test wants for some encoders, and is FFmpeg for everything else. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { H264EncoderName } from '../../../core/media/transcoder.ts';

/**
 * `works`: it is libx264, with its parameter sets in the pictures only, as some graphics cards have them. `garbles`: it
 * puts out noise. `ignores`: it works, but makes no key frame where one is asked for.
 */
export type FakeBehaviour = 'works' | 'fails' | 'hangs' | 'garbles' | 'ignores';

/** What an encoder does in its trial and on the air. */
export type FakeEncoders = Partial<Record<H264EncoderName, { trial: FakeBehaviour; live: FakeBehaviour }>>;

/** While `run` runs, all processes are started with the program. */
export async function withFakeFfmpeg<T>(encoders: FakeEncoders, run: () => Promise<T>): Promise<T> {
	const folder = mkdtempSync(path.join(tmpdir(), 'spillway-fake-'));
	const program = path.join(folder, 'ffmpeg');
	const before = process.env['FFMPEG_PATH'];
	writeFileSync(program, script(encoders, before ?? 'ffmpeg'));
	chmodSync(program, 0o755);
	process.env['FFMPEG_PATH'] = program;
	try {
		return await run();
	} finally {
		if (before === undefined) {
			delete process.env['FFMPEG_PATH'];
		} else {
			process.env['FFMPEG_PATH'] = before;
		}
		rmSync(folder, { recursive: true, force: true });
	}
}

function script(encoders: FakeEncoders, ffmpeg: string): string {
	const cases = Object.entries(encoders).flatMap(([name, { trial, live }]) => [
		`${name}-trial) behaviour=${trial} ;;`,
		`${name}-live) behaviour=${live} ;;`,
	]);
	return `#!/bin/sh
use=live
encoder=none
for word; do
	case "$word" in
	lavfi) use=trial ;;
	h264_*) encoder=$word ;;
	unix:*) output=$word ;;
	esac
done
case "$encoder-$use" in
${cases.join('\n')}
*) behaviour=ffmpeg ;;
esac
case "$behaviour" in
fails)
	echo "[$encoder @ 0x1] the device is gone" >&2
	exit 1
	;;
hangs)
	exec sleep 600
	;;
garbles)
	exec ${ffmpeg} -loglevel error -f lavfi -i anoisesrc=d=1 -f u8 "$output"
	;;
works | ignores)
	for word; do
		shift
		case "$word" in
		h264_*) set -- "$@" libx264 -flags -global_header && continue ;;
		p2) word=superfast ;;
		ull) word=zerolatency ;;
		esac
		case "$behaviour-$word" in ignores-expr:* | ignores-source) word='expr:eq(n,0)' ;; esac
		set -- "$@" "$word"
	done
	;;
esac
exec ${ffmpeg} "$@"
`;
}
