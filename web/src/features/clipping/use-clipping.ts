/** Making a clip of what is on the screen: from the press of the button to the title of the clip. */
import { onBeforeUnmount, onMounted, shallowRef } from 'vue';
import type { ClipCreation, CreatedClip } from '../../../../core/protocol/api/clip.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import { changeClip, createClip } from '../../api/clip-api.ts';
import { ApiError } from '../../api/request.ts';
import { useAccount } from '../account/account-store.ts';

/** What it is made of. */
type ClipSource = Pick<ClipCreation, 'channel_id' | 'video_id'>;

type ClippingState =
	| { step: 'idle' | 'making' | 'signed-out' }
	| { step: 'made'; clip: CreatedClip }
	| { step: 'failed'; problem: string };

export type BoundClipping = ReturnType<typeof useClipping>;

type ClippingOptions = {
	/** Undefined: nothing can be clipped now. */
	source: () => ClipSource | undefined;
	/** The picture that was on the screen at a monotonic time: when it was captured, and how it came. */
	pictureAt: (monotonicMs: number) => { captureTimeMs: number; tier?: DeliveryTier } | undefined;
};

/** A key that is pressed again and again makes one clip. */
const AGAIN_MS = 2000;

/** Alt+X, whatever letter the system makes of it. */
function isClipKey({ key, code, altKey, ctrlKey, metaKey, repeat }: KeyboardEvent): boolean {
	return altKey && !ctrlKey && !metaKey && !repeat && (key.toLowerCase() === 'x' || code === 'KeyX');
}

export function useClipping({ source, pictureAt }: ClippingOptions) {
	const account = useAccount();
	const state = shallowRef<ClippingState>({ step: 'idle' });
	/** Of the newest press: another try is of the same picture. */
	let wanted: ClipCreation | undefined;
	let pressedAtMs = -Infinity;

	async function send(): Promise<void> {
		const body = wanted!;
		state.value = { step: 'making' };
		try {
			await account.load();
			if (account.state.value === 'logged-out') {
				state.value = { step: 'signed-out' };
				return;
			}
			state.value = { step: 'made', clip: await createClip(body) };
		} catch (error) {
			if (error instanceof ApiError && error.code === 'SIGN_IN_REQUIRED') {
				state.value = { step: 'signed-out' };
			} else {
				const problem = error instanceof ApiError ? error.message : 'That did not work. Try again in a moment.';
				state.value = { step: 'failed', problem };
			}
		}
	}

	/** `atMs`: of the press, monotonic. */
	function make(atMs: number): void {
		const of = source();
		if (of === undefined || state.value.step === 'making' || atMs - pressedAtMs < AGAIN_MS) {
			return;
		}
		pressedAtMs = atMs;
		const picture = pictureAt(atMs);
		wanted = {
			...of,
			...(picture === undefined ? {} : { captured_at_ms: picture.captureTimeMs }),
			...(picture?.tier === undefined ? {} : { tier: picture.tier }),
		};
		void send();
	}

	function onKey(event: KeyboardEvent): void {
		if (isClipKey(event) && source() !== undefined && document.querySelector('dialog[open]') === null) {
			event.preventDefault();
			make(event.timeStamp);
		} else if (event.key === 'Escape' && !event.defaultPrevented && state.value.step !== 'idle') {
			state.value = { step: 'idle' };
		}
	}
	onMounted(() => window.addEventListener('keydown', onKey));
	onBeforeUnmount(() => window.removeEventListener('keydown', onKey));

	return {
		state,
		make,
		retry: () => void send(),
		dismiss: () => void (state.value = { step: 'idle' }),
		async rename(title: string): Promise<void> {
			if (state.value.step === 'made') {
				await changeClip(state.value.clip.clip_id, { title });
			}
		},
	};
}
