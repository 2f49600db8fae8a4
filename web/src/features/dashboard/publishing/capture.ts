/** Opens camera, microphone and screen, and joins them into one stream, which the caller stops. */
import type { CaptureSource } from './capture-problem.ts';

export type CaptureDevice = { id: string; label: string };

/** What to capture. `undefined`: the browser's choice. `null`: none. */
export type CaptureOptions = {
	source: CaptureSource;
	cameraId: string | undefined;
	microphoneId: string | null | undefined;
};

export type Capture = {
	stream: MediaStream;
	/** Releases devices and sound mixer. Idempotent. */
	stop(): void;
};

/** Cameras and microphones; without names until the user has allowed one of them. */
export async function listDevices(): Promise<{ cameras: CaptureDevice[]; microphones: CaptureDevice[] }> {
	const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
	const ofKind = (kind: MediaDeviceKind, word: string): CaptureDevice[] =>
		devices
			.filter((device) => device.kind === kind && device.deviceId !== '')
			.map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `${word} ${index + 1}` }));
	return { cameras: ofKind('videoinput', 'Camera'), microphones: ofKind('audioinput', 'Microphone') };
}

/** Rejects with the browser's error; capture-problem.ts has the texts. */
export async function openCapture(options: CaptureOptions): Promise<Capture> {
	if (navigator.mediaDevices === undefined) {
		throw named('InsecureContextError');
	}
	const opened: MediaStream[] = [];
	try {
		if (options.source === 'screen') {
			opened.push(await openScreen());
			if (options.microphoneId !== null) {
				opened.push(await navigator.mediaDevices.getUserMedia({ audio: microphone(options.microphoneId) }));
			}
		} else {
			opened.push(
				await navigator.mediaDevices.getUserMedia({
					video: camera(options.cameraId),
					audio: options.microphoneId === null ? false : microphone(options.microphoneId),
				}),
			);
		}
		return join(opened, options.source);
	} catch (error) {
		opened.forEach(stopTracks);
		throw error;
	}
}

function openScreen(): Promise<MediaStream> {
	if (navigator.mediaDevices.getDisplayMedia === undefined) {
		throw named('UnsupportedError');
	}
	return navigator.mediaDevices.getDisplayMedia({
		video: { frameRate: { ideal: 30, max: 60 }, width: { max: 1920 }, height: { max: 1080 } },
		audio: true,
	});
}

function camera(id: string | undefined): MediaTrackConstraints {
	const size = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 60 } };
	return id === undefined ? size : { ...size, deviceId: { exact: id } };
}

function microphone(id: string | undefined): MediaTrackConstraints {
	const quality = { channelCount: { ideal: 2 }, echoCancellation: true, noiseSuppression: true };
	return id === undefined ? quality : { ...quality, deviceId: { exact: id } };
}

function join(opened: readonly MediaStream[], source: CaptureSource): Capture {
	const video = opened.flatMap((stream) => stream.getVideoTracks())[0];
	const audio = opened.flatMap((stream) => stream.getAudioTracks());
	if (video !== undefined && 'contentHint' in video) {
		video.contentHint = source === 'screen' ? 'detail' : 'motion';
	}
	const mixer = audio.length > 1 ? mix(audio) : undefined;
	const sound = mixer?.track ?? audio[0];
	const stream = new MediaStream([...(video === undefined ? [] : [video]), ...(sound === undefined ? [] : [sound])]);
	return {
		stream,
		stop() {
			opened.forEach(stopTracks);
			stopTracks(stream);
			mixer?.close();
		},
	};
}

/** The sound of the screen and of the microphone as one track: a broadcast has only one. */
function mix(tracks: readonly MediaStreamTrack[]): { track: MediaStreamTrack; close(): void } | undefined {
	const context = new AudioContext();
	const destination = context.createMediaStreamDestination();
	for (const track of tracks) {
		context.createMediaStreamSource(new MediaStream([track])).connect(destination);
	}
	const track = destination.stream.getAudioTracks()[0];
	const close = (): void => void context.close().catch(() => undefined);
	return track === undefined ? undefined : { track, close };
}

function stopTracks(stream: MediaStream): void {
	stream.getTracks().forEach((track) => track.stop());
}

function named(name: string): Error {
	return Object.assign(new Error(), { name });
}
