/**
 * The components of the video pages in a happy-dom page, over a fake player.
 * @vitest-environment happy-dom
 */
import { mount, RouterLinkStub } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';
import { computed, nextTick, ref, shallowRef } from 'vue';
import type { OwnVideo } from '../../../../core/protocol/api/video.ts';
import type { VideoPlayerView } from '../../player/video/create-video-player.ts';
import type { ScrubPreview } from '../pictures/scrub-preview.ts';
import type { ScrubPictures } from '../pictures/use-scrub-pictures.ts';
import SeekBar from './SeekBar.vue';
import type { BoundVideoPlayer } from './use-video-player.ts';
import VideoCard from './VideoCard.vue';
import VideoPlayer from './VideoPlayer.vue';

const VIDEO: OwnVideo = {
	id: '01video',
	channelId: 'c',
	channelName: 'ada',
	title: 'Ada paints',
	category: 'Art',
	state: 'ready',
	visibility: 'public',
	startedAt: '2026-11-12T12:00:00.000Z',
	durationSeconds: 3723,
	playlistUrl: '/vod/x/index.m3u8',
	posterUrl: null,
	storyboardUrl: null,
};
const VIEW: VideoPlayerView = {
	state: 'ready',
	problem: undefined,
	isPaused: false,
	positionSeconds: 100,
	durationSeconds: 1000,
	buffered: [{ startSeconds: 90, endSeconds: 130 }],
	gaps: [],
	speed: 1,
	isMuted: false,
	volume: 0.5,
	qualities: [],
	preference: undefined,
	quality: undefined,
	shownQuality: undefined,
	isSoundOnly: false,
	hasStarted: true,
	isPictureInPicture: false,
};

function mountPlayer(first: Partial<VideoPlayerView> = {}, video: OwnVideo = VIDEO) {
	const view = shallowRef<VideoPlayerView>({ ...VIEW, ...first });
	const log: string[] = [];
	const player = {
		get view() {
			return view.value;
		},
		video: undefined,
		togglePictureInPicture: () => log.push('picture in picture'),
		setPaused: (isPaused: boolean) => log.push(isPaused ? 'pause' : 'play'),
		seek: (seconds: number) => log.push(`seek ${seconds}`),
		seekBy: (seconds: number) => log.push(`seek by ${seconds}`),
		stepFrame: (direction: number) => log.push(`step ${direction}`),
		setSpeed: (speed: number) => log.push(`speed ${speed}`),
		setMuted: (isMuted: boolean) => log.push(isMuted ? 'mute' : 'sound on'),
		setVolume: (volume: number) => log.push(`volume ${volume.toFixed(2)}`),
	};
	const resumedAtSeconds = ref<number>();
	const bound = {
		view: computed(() => view.value),
		isReloading: ref(false),
		resumedAtSeconds,
		start: () => log.push('start'),
		retry: async () => void log.push('retry'),
		player,
	} as unknown as BoundVideoPlayer;
	const wrapper = mount(VideoPlayer, { props: { bound, video, absence: undefined }, attachTo: document.body });
	const press = (key: string, target: EventTarget = window): boolean =>
		target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
	async function become(change: Partial<VideoPlayerView>): Promise<void> {
		view.value = { ...view.value, ...change };
		await nextTick();
	}
	return { wrapper, log, press, become, resumedAtSeconds };
}

describe('VideoPlayer', () => {
	it('follows the keys, and removes its listeners when unmounted', () => {
		const { wrapper, log, press } = mountPlayer();
		for (const key of ['k', 'j', '5', '.', '>', 'm', 'i', 'ArrowUp', 'x']) {
			press(key);
		}
		press('ArrowUp', wrapper.get('.frame').element);
		expect(log).toEqual([
			'start',
			'pause',
			'seek by -10',
			'seek 500',
			'step 1',
			'speed 1.25',
			'mute',
			'picture in picture',
			'volume 0.55',
		]);
		wrapper.unmount();
		press('k');
		expect(log).toHaveLength(9);
	});

	it('leaves keys to fields, and to a dialog that is open', () => {
		const { wrapper, log, press } = mountPlayer();
		const field = document.body.appendChild(document.createElement('textarea'));
		press('k', field);
		field.remove();
		const dialog = document.body.appendChild(document.createElement('dialog'));
		dialog.setAttribute('open', '');
		press('k');
		dialog.remove();
		expect(log).toEqual(['start']);
		wrapper.unmount();
	});

	it('offers to watch again at the end, and to begin at the start where it has continued', async () => {
		const { wrapper, log, become, resumedAtSeconds } = mountPlayer();
		expect(wrapper.find('.big').exists()).toBe(false);
		await become({ state: 'ended', isPaused: true });
		expect(wrapper.get('.big').attributes('aria-label')).toBe('Watch again');
		await wrapper.get('.big').trigger('click');
		await become({ state: 'ready', isPaused: false });
		resumedAtSeconds.value = 65;
		await nextTick();
		expect(wrapper.get('.resumed').text()).toContain('Continued at 1:05');
		await wrapper.get('.over').trigger('click');
		expect(log.slice(1)).toEqual(['play', 'seek 0', 'play']);
		expect(wrapper.find('.resumed').exists()).toBe(false);
		wrapper.unmount();
	});

	it('says why it does not play, and tries again', async () => {
		const { wrapper, log, become, press } = mountPlayer();
		await become({ state: 'failed', problem: { kind: 'unreachable', detail: '' } });
		expect(wrapper.get('.notice').text()).toContain('The video does not load');
		await wrapper.get('.notice button').trigger('click');
		press('k');
		expect(log).toEqual(['start', 'retry']);
		wrapper.unmount();
	});

	it('shows that the video is being recorded', () => {
		const { wrapper } = mountPlayer({}, { ...VIDEO, state: 'recording' });
		expect(wrapper.get('.top').text()).toContain('Being recorded');
		wrapper.unmount();
	});
});

describe('SeekBar', () => {
	const props = { positionSeconds: 65, durationSeconds: 3723, buffered: VIEW.buffered, gaps: [] };

	it('is a slider with the time in words', async () => {
		const bar = mount(SeekBar, { props });
		const slider = bar.get<HTMLInputElement>('input');
		expect(slider.attributes()).toMatchObject({
			'aria-label': 'Position',
			'aria-valuetext': '1 minute 5 seconds of 1 hour 2 minutes 3 seconds',
		});
		await bar.setProps({ durationSeconds: 0 });
		expect(slider.element.disabled).toBe(true);
	});

	it('shows loaded pictures while the thumb moves, and others when it is released', async () => {
		const bar = mount(SeekBar, { props });
		const slider = bar.get<HTMLInputElement>('input');
		const move = async (seconds: number): Promise<void> => {
			slider.element.value = String(seconds);
			await slider.trigger('input');
		};
		await move(100);
		await move(2000);
		expect(bar.emitted('seek')).toEqual([[100]]);
		expect(bar.get('.hint').text()).toBe('33:20');
		await slider.trigger('change');
		expect(bar.emitted('seek')).toEqual([[100], [2000]]);
		expect(bar.find('.hint').exists()).toBe(false);
	});

	it('shows the picture of the place that the viewer looks at, with its time, and asks for none before', async () => {
		const wanted: number[] = [];
		const preview = shallowRef<ScrubPreview>();
		const pictures: ScrubPictures = { want: (seconds) => void wanted.push(seconds), preview: () => preview.value };
		const bar = mount(SeekBar, { props: { ...props, pictures }, attachTo: document.body });
		expect(wanted).toEqual([]);
		const slider = bar.get<HTMLInputElement>('input');
		slider.element.value = '2000';
		await slider.trigger('input');
		expect([wanted, bar.find('.scrub-picture').exists()]).toEqual([[2000], false]);
		const file = { url: '/sheet1.jpg', x: 320, y: 90, widthPixels: 1600, heightPixels: 900 };
		preview.value = { widthPixels: 160, heightPixels: 90, isFar: false, file };
		await nextTick();
		const style = (): CSSStyleDeclaration => bar.get<HTMLElement>('.part').element.style;
		expect([style().backgroundImage, style().backgroundPosition]).toEqual(['url("/sheet1.jpg")', '-320px -90px']);
		expect(bar.get('.hint').text()).toBe('33:20');
		// The next one is not loaded yet: the last one stays, and does not look as if it were the next.
		preview.value = { ...preview.value, file: undefined };
		await nextTick();
		expect([style().backgroundImage, bar.get('.part').classes('other')]).toEqual(['url("/sheet1.jpg")', true]);
		await slider.trigger('change');
		expect(bar.find('.hint').exists()).toBe(false);
		bar.unmount();
	});

	it('shows them for steps by keys on the bar, and not for other keys', async () => {
		const wanted: number[] = [];
		const pictures: ScrubPictures = { want: (seconds) => void wanted.push(seconds), preview: () => undefined };
		const bar = mount(SeekBar, { props: { ...props, pictures } });
		await bar.get('input').trigger('keydown', { key: 'k' });
		expect(bar.find('.hint').exists()).toBe(false);
		await bar.get('input').trigger('keydown', { key: 'ArrowRight' });
		await bar.setProps({ positionSeconds: 70 });
		expect([bar.get('.hint').text(), wanted]).toEqual(['1:10', [65, 70]]);
		bar.unmount();
	});
});

describe('VideoCard', () => {
	const mountCard = (video: OwnVideo) =>
		mount(VideoCard, { props: { video, titleTag: 'h2' }, global: { stubs: { RouterLink: RouterLinkStub } } });

	it('has title, date and length, and what only the owner sees', () => {
		const card = mountCard(VIDEO);
		expect(card.get('h2').text()).toBe('Ada paints');
		expect(card.get('.facts').text()).toBe('12 Nov 2026Art');
		expect(card.get('.length').text()).toContain('1:02:03');
		expect(
			mountCard({ ...VIDEO, visibility: 'private' })
				.get('.visibility')
				.text(),
		).toBe('Private');
		expect(mountCard({ ...VIDEO, state: 'recording' }).text()).toContain('Being recorded');
	});

	it('shows the weir where the picture does not load', async () => {
		const card = mountCard({ ...VIDEO, posterUrl: '/poster.jpg' });
		const image = card.get('img');
		expect(image.attributes()).toMatchObject({ src: '/poster.jpg', alt: '', loading: 'lazy' });
		await image.trigger('error');
		expect(card.find('img').exists()).toBe(false);
		expect(card.find('.weir').exists()).toBe(true);
	});
});
