/** A broadcast from this page: devices, preview and connection, closed with the component. */
import { computed, onBeforeUnmount, ref, shallowRef } from 'vue';
import { systemClock, type CancelTimer } from '../../../../core/lifecycle/clock.ts';
import {
	listDevices,
	openCapture,
	type Capture,
	type CaptureDevice,
	type CaptureOptions,
} from './publishing/capture.ts';
import { formatCaptureProblem } from './publishing/capture-problem.ts';
import { WhipPublisher, type PublishReading, type PublishState } from './publishing/whip-publisher.ts';
import { fetchStreamKeys, makeStreamKey, rotateStreamKey } from '../../api/own-channel-api.ts';
import { ApiError } from '../../api/request.ts';

/** One key for all broadcasts from browsers: it gets a new secret each time, kept only in this page's memory. */
const BROWSER_KEY_NAME = 'This dashboard, in a browser';
const READING_INTERVAL_MS = 1000;

/** `idle`: nothing open. `preview`: visible only here. The rest: see {@link PublishState}. */
type BrowserPublishState = 'idle' | 'opening' | 'preview' | Exclude<PublishState, 'stopped'>;

export function useBrowserPublisher(channelId: string) {
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
	/** Incremented by each opening and stop, so that late results are dropped. */
	let turn = 0;

	async function preview(options: CaptureOptions): Promise<void> {
		release();
		const own = turn;
		problem.value = undefined;
		state.value = 'opening';
		try {
			const opened = await openCapture(options);
			if (own !== turn) {
				opened.stop();
				return;
			}
			capture = opened;
			stream.value = opened.stream;
			state.value = 'preview';
			for (const track of opened.stream.getVideoTracks()) {
				// The browser's "stop sharing", or an unplugged camera.
				track.addEventListener('ended', () => own === turn && end('The camera or screen was switched off.'));
			}
			await refreshDevices();
		} catch (error) {
			if (own === turn) {
				state.value = 'idle';
				problem.value = formatCaptureProblem(error, options.source);
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
			// Without a list the browser's choice is used.
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
		/** Reopens an open preview after the choice of another device. */
		async change(options: CaptureOptions): Promise<void> {
			if (state.value === 'preview' || state.value === 'opening') {
				await preview(options);
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
