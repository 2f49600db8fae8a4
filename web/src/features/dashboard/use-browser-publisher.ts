/** A broadcast from this page: devices, preview, the connection, and the end of it all with the component. */
import { computed, onBeforeUnmount, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from 'vue';
import { systemClock, type CancelTimer } from '../../../../core/lifecycle/clock.ts';
import { listDevices, openCapture, type Capture, type CaptureDevice, type CaptureWish } from './publishing/capture.ts';
import { sayCaptureProblem } from './publishing/capture-problem.ts';
import { WhipPublisher, type PublishReading, type PublishState } from './publishing/whip-publisher.ts';
import { fetchStreamKeys, makeStreamKey, rotateStreamKey } from '../../api/own-channel-api.ts';
import { ApiError } from '../../api/request.ts';

/**
 * One key serves all broadcasts from browsers: it gets a new secret each time, and the secret stays in this page's
 * memory.
 */
const BROWSER_KEY_NAME = 'This dashboard, in a browser';
const READING_INTERVAL_MS = 1000;

/** `idle`: nothing open. `preview`: seen here only. The rest: see {@link PublishState}. */
type BrowserPublishState = 'idle' | 'opening' | 'preview' | Exclude<PublishState, 'stopped'>;

/** What the page sees. */
type BrowserPublisher = {
	state: Ref<BrowserPublishState>;
	isSending: ComputedRef<boolean>;
	problem: Ref<string | undefined>;
	stream: ShallowRef<MediaStream | undefined>;
	reading: ShallowRef<PublishReading | undefined>;
	cameras: Ref<readonly CaptureDevice[]>;
	microphones: Ref<readonly CaptureDevice[]>;
	preview(wish: CaptureWish): Promise<void>;
	publish(): Promise<void>;
	stop(): void;
	/** Opens the preview anew when it is open, after another device was chosen. */
	change(wish: CaptureWish): Promise<void>;
	refreshDevices(): Promise<void>;
};

/** `channelId` is the channel that is published to. */
export function useBrowserPublisher(channelId: string): BrowserPublisher {
	const state = ref<BrowserPublishState>('idle');
	const problem = ref<string>();
	const stream = shallowRef<MediaStream>();
	const reading = shallowRef<PublishReading>();
	const cameras = shallowRef<readonly CaptureDevice[]>([]);
	const microphones = shallowRef<readonly CaptureDevice[]>([]);
	const isSending = computed(() => ['connecting', 'live', 'reconnecting'].includes(state.value));
	let capture: Capture | undefined;
	let publisher: WhipPublisher | undefined;
	let cancelReading: CancelTimer | undefined;
	/** Counts up with each opening and stop, so that what comes late is dropped. */
	let turn = 0;

	async function preview(wish: CaptureWish): Promise<void> {
		release();
		const own = turn;
		problem.value = undefined;
		state.value = 'opening';
		try {
			const opened = await openCapture(wish);
			if (own !== turn) {
				opened.stop();
				return;
			}
			capture = opened;
			stream.value = opened.stream;
			state.value = 'preview';
			for (const track of opened.stream.getVideoTracks()) {
				// The browser's own "stop sharing", or a camera that was unplugged.
				track.addEventListener('ended', () => own === turn && end('The camera or screen was switched off.'));
			}
			await refreshDevices();
		} catch (error) {
			if (own === turn) {
				state.value = 'idle';
				problem.value = sayCaptureProblem(error, wish.source);
			}
		}
	}

	async function publish(): Promise<void> {
		if (capture === undefined || isSending.value) {
			return;
		}
		const own = turn;
		problem.value = undefined;
		state.value = 'connecting';
		try {
			const streamKey = await browserKey(channelId);
			if (own === turn && capture !== undefined) {
				startPublisher(capture.stream, streamKey);
			}
		} catch (error) {
			if (own === turn) {
				state.value = 'preview';
				problem.value = error instanceof ApiError ? error.message : String(error);
			}
		}
	}

	function startPublisher(captured: MediaStream, streamKey: string): void {
		publisher = new WhipPublisher({ clock: systemClock }, { stream: captured, whipUrl: '/whip', streamKey });
		publisher.on('stateChanged', (next) => {
			if (next !== 'stopped') {
				state.value = next;
			}
		});
		publisher.on('failed', (detail) => {
			publisher = undefined;
			cancelReading?.();
			reading.value = undefined;
			state.value = 'preview';
			problem.value = `The broadcast stopped: ${detail}`;
		});
		publisher.start();
		cancelReading = systemClock.setInterval(() => {
			publisher?.reading().then(
				(value) => (reading.value = value),
				() => (reading.value = undefined),
			);
		}, READING_INTERVAL_MS);
	}

	function end(reason?: string): void {
		release();
		state.value = 'idle';
		problem.value = reason;
	}

	function release(): void {
		turn++;
		cancelReading?.();
		publisher?.stop();
		publisher = undefined;
		capture?.stop();
		capture = undefined;
		stream.value = undefined;
		reading.value = undefined;
	}

	async function refreshDevices(): Promise<void> {
		try {
			const devices = await listDevices();
			cameras.value = devices.cameras;
			microphones.value = devices.microphones;
		} catch {
			// Without a list the browser's own choice remains.
		}
	}

	window.addEventListener('pagehide', release);
	onBeforeUnmount(() => {
		window.removeEventListener('pagehide', release);
		release();
	});
	return {
		state,
		isSending,
		problem,
		stream,
		reading,
		cameras,
		microphones,
		preview,
		publish,
		stop: () => end(),
		async change(wish) {
			if (state.value === 'preview' || state.value === 'opening') {
				await preview(wish);
			}
		},
		refreshDevices,
	};
}

async function browserKey(channelId: string): Promise<string> {
	const existing = (await fetchStreamKeys(channelId)).find(({ name }) => name === BROWSER_KEY_NAME);
	const key =
		existing === undefined
			? await makeStreamKey(channelId, BROWSER_KEY_NAME)
			: await rotateStreamKey(channelId, existing.id);
	return key.streamKey;
}
