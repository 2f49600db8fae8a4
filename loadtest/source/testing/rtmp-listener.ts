/** FFmpeg as an RTMP server that decodes what a publisher sends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';

/** A free port on 127.0.0.1. */
export async function freePort(): Promise<number> {
	const probe = createServer().listen(0, '127.0.0.1');
	await new Promise((resolve) => probe.once('listening', resolve));
	const { port } = probe.address() as AddressInfo;
	await new Promise((resolve) => probe.close(resolve));
	return port;
}

/** Listens for one publisher; calls `onPicture` with the luma plane of each picture. The caller ends it. */
export function listenForRtmp(url: string, lumaBytes: number, onPicture: (luma: Buffer) => void): ChildProcess {
	const listener = spawn('ffmpeg', [
		...['-hide_banner', '-loglevel', 'error', '-listen', '1', '-i', url],
		...['-map', '0:v', '-vsync', 'passthrough', '-pix_fmt', 'gray', '-f', 'rawvideo', 'pipe:1'],
	]);
	let pending = Buffer.alloc(0);
	listener.stdout.on('data', (bytes: Buffer) => {
		pending = Buffer.concat([pending, bytes]);
		for (; pending.length >= lumaBytes; pending = pending.subarray(lumaBytes)) {
			onPicture(Buffer.from(pending.subarray(0, lumaBytes)));
		}
	});
	return listener;
}

/** Resolves with the exit code. */
export function exitOf(child: ChildProcess): Promise<number | null> {
	return new Promise((resolve) => child.once('exit', (code) => resolve(code)));
}
