/** FFmpeg's command lines for still pictures, as data. Pure. */
import { COMMON_INPUT, COMMON_OUTPUT, words, type FfmpegArguments } from '../transcode/ffmpeg-arguments.ts';
import type { PictureSize } from '../recording/storyboard.ts';

/** 2 is the best, 31 the smallest. At 5 a sheet of 100 pictures is some 200 kB, and blocks are not seen. */
const JPEG_QUALITY = 5;
// One picture at a time: threads cost more than they save, and media that passes through needs the other cores.
const ONE_THREAD = '-threads 1 -filter_threads 1';

/**
 * Key frames in, which are decoded once; pictures out, one for one with their times, with an output for each size. A
 * picture of another shape is fitted into it. `raw`: planes of 4:2:0, one after the other.
 */
export function pictureArguments(sizes: readonly PictureSize[], form: 'jpeg' | 'raw'): FfmpegArguments {
	return {
		// Should a picture that is no key frame come in after all, it is not decoded.
		input: words(COMMON_INPUT, ONE_THREAD, '-skip_frame nokey -f nut'),
		filters: [],
		outputs: sizes.map((size) => [
			...words('-map 0:v:0 -vf'),
			fitFilters(size),
			...words('-fps_mode passthrough', encoder(form), COMMON_OUTPUT),
		]),
	};
}

function fitFilters({ widthPixels, heightPixels }: PictureSize): string {
	// `dar` is the shape on the screen, also where pixels are not square.
	const width = `trunc(min(${widthPixels},${heightPixels}*dar)/2+0.5)*2`;
	const height = `trunc(min(${heightPixels},${widthPixels}/dar)/2+0.5)*2`;
	return [
		`scale=w='max(2,min(${widthPixels},${width}))':h='max(2,min(${heightPixels},${height}))':out_range=full`,
		'setsar=1',
		`pad=${widthPixels}:${heightPixels}:(ow-iw)/2:(oh-ih)/2`,
		'format=yuvj420p',
	].join(',');
}

/** One raw picture in, as {@link pictureArguments} puts it out, and one JPEG out. */
export function jpegArguments({ widthPixels, heightPixels }: PictureSize): FfmpegArguments {
	const form = `-f rawvideo -pix_fmt yuvj420p -video_size ${widthPixels}x${heightPixels} -framerate 1`;
	return {
		input: words(COMMON_INPUT, ONE_THREAD, form),
		filters: [],
		outputs: [words('-map 0:v:0 -frames:v 1', encoder('jpeg'), COMMON_OUTPUT)],
	};
}

// The launcher knows by the encoder's name that the process has time.
function encoder(form: 'jpeg' | 'raw'): string {
	return form === 'raw' ? '-threads 1 -c:v rawvideo' : `-threads 1 -c:v mjpeg -q:v ${JPEG_QUALITY} -huffman optimal`;
}
