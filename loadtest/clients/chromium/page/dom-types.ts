/**
 * The few browser interfaces that the page programs use, as structural types. The server-side TypeScript program has no
 * DOM library on purpose, so that no server file uses a browser global by mistake.
 */

/** A 2D drawing context. */
export type PageContext2d = {
	fillStyle: string;
	font: string;
	fillRect(x: number, y: number, width: number, height: number): void;
	fillText(text: string, x: number, y: number): void;
	drawImage(source: PageVideo | PageCanvas, ...numbers: number[]): void;
	getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray };
};

/** A canvas element. */
export type PageCanvas = {
	width: number;
	height: number;
	getContext(kind: '2d', options?: { willReadFrequently?: boolean; alpha?: boolean }): PageContext2d;
	captureStream(frameRate: number): PageStream;
};

/** One track of a stream. */
export type PageTrack = {
	kind: string;
	readyState: string;
	contentHint: string;
	requestFrame(): void;
	stop(): void;
	clone(): PageTrack;
};

/** A MediaStream. */
export type PageStream = {
	getTracks(): PageTrack[];
	getAudioTracks(): PageTrack[];
	getVideoTracks(): PageTrack[];
	addTrack(track: PageTrack): void;
};

/** What requestVideoFrameCallback says of a frame; times are `performance.now()` milliseconds. */
export type PageFrameMetadata = {
	presentationTime: number;
	expectedDisplayTime: number;
	presentedFrames: number;
	mediaTime: number;
	rtpTimestamp?: number;
	receiveTime?: number;
	width: number;
	height: number;
};

/** A video element. */
export type PageVideo = {
	srcObject: PageStream | null;
	src: string;
	muted: boolean;
	autoplay: boolean;
	playsInline: boolean;
	paused: boolean;
	currentTime: number;
	playbackRate: number;
	readyState: number;
	videoWidth: number;
	videoHeight: number;
	style: { cssText: string };
	play(): Promise<void>;
	captureStream(): PageStream;
	requestVideoFrameCallback(callback: (nowMs: number, metadata: PageFrameMetadata) => void): number;
	addEventListener(name: string, listener: () => void): void;
};

/** The document. */
export type PageDocument = {
	body: { append(element: unknown): void };
	querySelectorAll(selector: string): Iterable<unknown>;
	querySelector(selector: string): { click(): void } | null;
	createElement(name: string): unknown;
};

/** A chunk of sound from {@link PageTrackProcessor}. */
export type PageAudioData = {
	sampleRate: number;
	numberOfFrames: number;
	/** Microseconds; keeps counting over chunks that were dropped. */
	timestamp: number;
	copyTo(target: Float32Array, options: { planeIndex: number; format: string }): void;
	close(): void;
};

/** A stream of sound that can be handed to a worker. */
export type PageAudioStream = { getReader(): { read(): Promise<{ done: boolean; value?: PageAudioData }> } };

/** Chromium's MediaStreamTrackProcessor. */
export type PageTrackProcessor = {
	readable: PageAudioStream;
};

/** The parts of WebRTC that we use. */
export type PagePeerConnection = {
	localDescription: { type: string; sdp: string };
	connectionState: string;
	iceGatheringState: string;
	ontrack: ((event: { track: PageTrack; streams: PageStream[] }) => void) | null;
	addEventListener(name: string, listener: () => void): void;
	addTransceiver(trackOrKind: PageTrack | string, init: object): PageTransceiver;
	getTransceivers(): PageTransceiver[];
	createOffer(): Promise<object>;
	createAnswer(): Promise<object>;
	setLocalDescription(description?: object): Promise<void>;
	setRemoteDescription(description: object): Promise<void>;
	getStats(): Promise<Map<string, Record<string, unknown>>>;
	close(): void;
};

/** A transceiver, its sender and its receiver. */
export type PageTransceiver = {
	setCodecPreferences(codecs: object[]): void;
	sender: {
		getParameters(): { encodings: Array<Record<string, unknown>>; degradationPreference?: string };
		setParameters(parameters: object, options?: object): Promise<void>;
	};
	receiver: { jitterBufferTarget: number | null };
};

/** The parts of Web Audio that the source uses. */
export type PageAudioContext = {
	currentTime: number;
	sampleRate: number;
	resume(): Promise<void>;
	createBuffer(
		channels: number,
		length: number,
		sampleRate: number,
	): { copyToChannel(samples: Float32Array, channel: number): void };
	createBufferSource(): {
		buffer: unknown;
		loop: boolean;
		connect(node: unknown): void;
		start(whenSeconds: number): void;
	};
	createMediaStreamDestination(): { stream: PageStream };
};

/** A worker that hears the tone code. */
export type PageWorker = {
	onmessage: (event: { data: { code: number; heardAtMs: number } }) => void;
	postMessage(message: object, transfer: unknown[]): void;
	terminate(): void;
};

/** The window, as the page programs see it. */
export type PageWindow = {
	document: PageDocument;
	requestAnimationFrame(callback: (nowMs: number) => void): number;
	getComputedStyle(element: unknown): { opacity: string; visibility: string; display: string };
	Worker: new (url: string) => PageWorker;
	MediaStream: new (tracks?: PageTrack[]) => PageStream;
	MediaStreamTrackProcessor: new (init: { track: PageTrack }) => PageTrackProcessor;
	RTCPeerConnection: new (configuration?: object) => PagePeerConnection;
	RTCRtpReceiver: { getCapabilities(kind: string): { codecs: Array<{ mimeType: string; sdpFmtpLine?: string }> } };
	AudioContext: new (options: object) => PageAudioContext;
};
