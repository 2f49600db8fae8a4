/**
 * The few browser interfaces that the page programs use, as structural types. The server-side TypeScript program has no
 * DOM library, so that no server file uses a browser global by mistake.
 */

export type PageContext2d = {
	fillStyle: string;
	font: string;
	fillRect(x: number, y: number, width: number, height: number): void;
	fillText(text: string, x: number, y: number): void;
	drawImage(source: PageVideo | PageCanvas, ...numbers: number[]): void;
	getImageData(x: number, y: number, width: number, height: number): { data: Uint8ClampedArray };
};

export type PageCanvas = {
	width: number;
	height: number;
	getContext(kind: '2d', options?: { willReadFrequently?: boolean; alpha?: boolean }): PageContext2d;
	captureStream(frameRate: number): PageStream;
};

export type PageTrack = {
	kind: string;
	readyState: string;
	requestFrame(): void;
	clone(): PageTrack;
};

export type PageStream = {
	getAudioTracks(): PageTrack[];
	getVideoTracks(): PageTrack[];
	addTrack(track: PageTrack): void;
};

/** Times are `performance.now()` milliseconds; the size is the decoded picture's. */
type PageFrameMetadata = {
	presentationTime: number;
	expectedDisplayTime: number;
	presentedFrames: number;
	width: number;
	height: number;
};

export type PageVideo = {
	srcObject: PageStream | null;
	src: string;
	paused: boolean;
	currentTime: number;
	playbackRate: number;
	readyState: number;
	videoWidth: number;
	videoHeight: number;
	play(): Promise<void>;
	captureStream(): PageStream;
	requestVideoFrameCallback(callback: (nowMs: number, metadata: PageFrameMetadata) => void): number;
};

type PageDocument = {
	querySelectorAll(selector: string): Iterable<unknown>;
	querySelector(selector: string): unknown;
	createElement(name: string): unknown;
};

export type PageAudioData = {
	sampleRate: number;
	numberOfFrames: number;
	/** Microseconds; includes chunks that were dropped. */
	timestamp: number;
	copyTo(target: Float32Array, options: { planeIndex: number; format: string }): void;
	close(): void;
};

/** A stream of sound that can be transferred to a worker. */
export type PageAudioStream = { getReader(): { read(): Promise<{ done: boolean; value?: PageAudioData }> } };

export type PagePeerConnection = {
	localDescription: { type: string; sdp: string };
	connectionState: string;
	iceGatheringState: string;
	ontrack: ((event: { track: PageTrack; streams: PageStream[] }) => void) | null;
	addEventListener(name: string, listener: () => void): void;
	addTransceiver(trackOrKind: PageTrack | string, init: object): PageTransceiver;
	getSenders(): PageSender[];
	createOffer(): Promise<object>;
	createAnswer(): Promise<object>;
	setLocalDescription(description?: object): Promise<void>;
	setRemoteDescription(description: object): Promise<void>;
	getStats(): Promise<Map<string, Record<string, unknown>>>;
	close(): void;
};

export type PageSender = {
	track: PageTrack | null;
	getParameters(): { degradationPreference?: string; encodings: { active: boolean }[] };
	/** `encodingOptions`: https://w3c.github.io/webrtc-extensions/#rtcencodingoptions-dictionary */
	setParameters(parameters: object, options?: { encodingOptions: { keyFrame: boolean }[] }): Promise<void>;
};

type PageTransceiver = { setCodecPreferences(codecs: object[]): void; sender: PageSender };

export type PageAudioContext = {
	currentTime: number;
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

/** A worker that finds the tone code. */
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
	MediaStreamTrackProcessor: new (init: { track: PageTrack }) => { readable: PageAudioStream };
	RTCPeerConnection: new (configuration?: object) => PagePeerConnection;
	RTCRtpReceiver: { getCapabilities(kind: string): { codecs: Array<{ mimeType: string; sdpFmtpLine?: string }> } };
	AudioContext: new (options: object) => PageAudioContext;
};
