/**
 * The player's components in a happy-dom page, over a fake player.
 * @vitest-environment happy-dom
 */
import { mount } from '@vue/test-utils';
import { describe, expect, it } from 'vitest';
import { computed, nextTick, shallowRef } from 'vue';
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { PlaybackStatistics, PlayerView, Quality } from '../../player/create-player.ts';
import LatencyGauge from './LatencyGauge.vue';
import PlayerControls from './PlayerControls.vue';
import PlayerStage from './PlayerStage.vue';
import TierStatus from './TierStatus.vue';
import TierSwitch from './TierSwitch.vue';
import type { BoundPlayer } from './use-player.ts';

const CHANNEL = {
	name: 'ada',
	title: 'Ada paints',
	state: 'live',
	stillUrl: null,
	storyboardUrl: null,
} as ChannelDescription;
const VIEW: PlayerView = {
	state: 'playing',
	error: undefined,
	statistics: undefined,
	tier: 'webrtc',
	pendingTier: undefined,
	switchProblem: undefined,
	settings: { isPaused: false, isMuted: false, volume: 0.5 },
	qualities: [],
	preference: undefined,
	quality: undefined,
	shownQuality: undefined,
	isSoundBlocked: false,
	isBehindLive: false,
	rewind: undefined,
	rewindProblem: undefined,
	isSocketOpen: true,
	lineProblem: undefined,
	pictureLimit: undefined,
	viewerCount: 3,
	decision: undefined,
};

/** A player that logs its calls, and whose view the test sets. */
function fakePlayer(first: Partial<PlayerView> = {}) {
	const view = shallowRef<PlayerView>({ ...VIEW, ...first });
	const log: string[] = [];
	const parts = Object.fromEntries(
		Object.keys(VIEW).map((key) => [key, computed(() => view.value[key as keyof PlayerView])]),
	);
	const player = {
		...parts,
		signaling: shallowRef(),
		video: () => undefined,
		start: () => log.push('start'),
		choose: (tier: string) => log.push(`choose ${tier}`),
		chooseQuality: (id: string | undefined) => log.push(`quality ${id ?? 'auto'}`),
		goLive: () => log.push('go live'),
		seek: (toMs: number) => log.push(`seek ${toMs}`),
		seekBy: (seconds: number) => log.push(`seek by ${seconds}`),
		setSpeed: (speed: number) => log.push(`speed ${speed}`),
		retry: () => log.push('retry'),
		setPaused: (isPaused: boolean) => log.push(isPaused ? 'pause' : 'play'),
		setMuted: (isMuted: boolean) => log.push(isMuted ? 'mute' : 'sound on'),
		setVolume: (volume: number) => log.push(`volume ${volume}`),
	} as unknown as BoundPlayer;
	async function become(change: Partial<PlayerView>): Promise<void> {
		view.value = { ...view.value, ...change };
		await nextTick();
	}
	return { player, log, become };
}

function mountStage(first: Partial<PlayerView> = {}, channel = CHANNEL) {
	const { player, log, become } = fakePlayer(first);
	const stage = mount(PlayerStage, {
		props: { player, channel, isServerUnreachable: false },
		attachTo: document.body,
	});
	const press = (key: string, target: EventTarget = window): boolean =>
		target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
	return { stage, log, become, press };
}

describe('PlayerStage', () => {
	it('starts the player in its container, and removes its listeners when unmounted', () => {
		const { stage, log, press } = mountStage();
		expect(log).toEqual(['start']);
		expect(stage.attributes('aria-label')).toBe('Player: Ada paints');
		stage.unmount();
		press('m');
		expect(log).toEqual(['start']);
	});

	it('handles the shortcuts of a player, unless the focused element uses the key', () => {
		const { stage, log, press } = mountStage();
		press('k');
		press(' ');
		press('m');
		press('x');
		press(' ', stage.get('button').element);
		const field = document.body.appendChild(document.createElement('textarea'));
		press('m', field);
		field.remove();
		expect(log).toEqual(['start', 'pause', 'pause', 'mute']);
		stage.unmount();
	});

	it('offers a button when the browser blocks the sound', async () => {
		const { stage, log, become } = mountStage();
		expect(stage.text()).not.toContain('Turn the sound on');
		await become({ isSoundBlocked: true });
		await stage.get('.sound button').trigger('click');
		expect(log.at(-1)).toBe('sound on');
		stage.unmount();
	});

	it('offers to continue during a pause, and to go to live when behind', async () => {
		const { stage, log, become } = mountStage({ state: 'connecting' });
		await become({ state: 'playing' });
		await become({ settings: { ...VIEW.settings, isPaused: true } });
		await stage.get('.paused button').trigger('click');
		expect(log.at(-1)).toBe('play');
		await become({ settings: VIEW.settings, isBehindLive: true });
		expect(stage.find('.paused').exists()).toBe(false);
		await stage.get('.badge').trigger('click');
		expect(log.at(-1)).toBe('go live');
		stage.unmount();
	});

	it('shows why it does not play, with actions', async () => {
		const { stage, log, become } = mountStage();
		expect(stage.find('.notice').exists()).toBe(false);
		await become({ state: 'error', error: { kind: 'connection-lost', detail: '', fatal: false } });
		const buttons = stage.get('.notice').findAll('button');
		await buttons[0]!.trigger('click');
		await buttons[1]!.trigger('click');
		expect(log.slice(-2)).toEqual(['retry', 'choose ll-hls']);
		await become({ state: 'offline', error: undefined });
		expect(stage.get('.notice').text()).toContain('ada is offline');
		stage.unmount();
	});
});

describe('rewinding', () => {
	const START_MS = Date.parse('2026-05-01T12:00:00Z');
	const live: PlayerView['rewind'] = {
		startMs: START_MS,
		endMs: START_MS + 3_600_000,
		positionMs: START_MS + 3_600_000,
		isLive: true,
		isOver: false,
		buffered: [],
		gaps: [],
		speed: 1,
	};
	const behind = { ...live, positionMs: START_MS + 3_600_000 - 754_000, isLive: false };

	it('has neither bar nor keys while nothing can be rewound', () => {
		const { stage, log, press } = mountStage();
		expect(stage.find('[aria-label=Position]').exists()).toBe(false);
		expect([press('j'), press('5'), press('>')]).toEqual([true, true, true]);
		expect(log).toEqual(['start']);
		stage.unmount();
	});

	it('jumps by keys as the video player does, and says where', async () => {
		const { stage, log, press, become } = mountStage({ rewind: live });
		press('l');
		press('j');
		press('ArrowLeft');
		press('5');
		press('End', stage.get('input.slider').element);
		expect(log.slice(1)).toEqual(['seek by -10', 'seek by -5', `seek ${START_MS + 1_800_000}`, 'go live']);
		await become({ rewind: behind, isBehindLive: true });
		press('ArrowRight');
		press('>');
		await nextTick();
		expect(log.slice(-2)).toEqual(['seek by 5', 'speed 1.25']);
		expect(stage.get('.flash').text()).toBe('1.25×');
		stage.unmount();
	});

	it('shows on the bar where the viewer is, and takes their choice of a place', async () => {
		const { stage, log, become } = mountStage({ rewind: live });
		const slider = stage.get<HTMLInputElement>('input.slider');
		expect([slider.attributes('aria-valuetext'), slider.element.value]).toEqual(['Live', '3600']);
		await become({ rewind: behind, isBehindLive: true });
		expect(slider.attributes('aria-valuetext')).toBe('12 minutes 34 seconds behind live');
		await slider.setValue('60');
		expect(log.at(-1)).toBe(`seek ${START_MS + 60_000}`);
		expect(stage.get('.back').text()).toBe('−12:34');
		stage.unmount();
	});

	it('has a button that shows live, and leads to it', async () => {
		const { stage, log, become } = mountStage({ rewind: live });
		const button = stage.get('button.live');
		expect([button.classes('on'), button.attributes('aria-disabled')]).toEqual([true, 'true']);
		await button.trigger('click');
		expect(log).toEqual(['start']);
		await become({ rewind: behind, isBehindLive: true });
		expect([button.classes('on'), button.attributes('aria-label')]).toEqual([false, 'Go to live']);
		await button.trigger('click');
		expect(log.at(-1)).toBe('go live');
		stage.unmount();
	});

	it('leads to no live when the broadcast is over, and ends with it', async () => {
		const { stage, become } = mountStage({ rewind: { ...behind, isOver: true }, isBehindLive: true });
		expect([stage.find('button.live').exists(), stage.find('button.badge').exists()]).toEqual([false, false]);
		expect(stage.find('input.slider').exists()).toBe(true);
		await become({ state: 'ended' });
		expect(stage.find('input.slider').exists()).toBe(false);
		stage.unmount();
	});

	it('offers speeds behind live only, and explains what failed', async () => {
		const { stage, become } = mountStage({ rewind: live });
		expect(stage.find('[aria-label="Speed: 1×"]').exists()).toBe(false);
		await become({ rewind: behind, isBehindLive: true, rewindProblem: { detail: 'The server answered 500.' } });
		expect(stage.find('[aria-label="Speed: 1×"]').exists()).toBe(true);
		expect(stage.get('.rewind-problem').text()).toContain('The server answered 500.');
		stage.unmount();
	});
});

describe('PlayerControls', () => {
	it('labels each button with its action, and emits it', async () => {
		const props = { ...VIEW, isFullscreen: false, canPlay: true, storyboardUrl: null };
		const controls = mount(PlayerControls, { props });
		const labels = (): Array<string | undefined> =>
			controls.findAll('button').map((button) => button.attributes('aria-label'));
		expect(labels()).toEqual(['Pause (space)', 'Mute (m)', 'Keys (?)', 'Full screen (f)']);
		for (const button of controls.findAll('button')) {
			await button.trigger('click');
		}
		await controls.get('input').setValue('0.25');
		expect(controls.emitted()).toMatchObject({ pause: [[true]], mute: [[true]], fullscreen: [[]], volume: [[0.25]] });
		await controls.setProps({ settings: { isPaused: true, isMuted: true, volume: 0.5 }, isFullscreen: true });
		expect(labels()).toEqual(['Play (space)', 'Sound on (m)', 'Keys (?)', 'Leave full screen (f)']);
		expect(controls.get('input').element.value).toBe('0');
		await controls.setProps({ canPlay: false });
		expect(controls.get('button').element.disabled).toBe(true);
	});
});

describe('the quality menu', () => {
	const source: Quality = { id: 'a', kind: 'picture', heightPixels: 1080, frameRate: 60, isSource: true };
	const small: Quality = { id: 'b', kind: 'picture', heightPixels: 480, frameRate: 30, isSource: false };
	const sound: Quality = { id: 'c', kind: 'sound-only', heightPixels: 0, frameRate: 0, isSource: false };
	const qualities = [source, small, sound];
	const key = (name: string): void =>
		void document.activeElement!.dispatchEvent(
			new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }),
		);

	it('is missing while there is nothing to choose from', () => {
		const { stage } = mountStage();
		expect(stage.find('[aria-haspopup=menu]').exists()).toBe(false);
		stage.unmount();
	});

	it('is a menu of radio items for the keyboard and screen readers', async () => {
		const { stage, log } = mountStage({ qualities, shownQuality: small });
		const button = stage.get('[aria-haspopup=menu]');
		expect(button.attributes()).toMatchObject({ 'aria-label': 'Quality: Auto · 480p', 'aria-expanded': 'false' });
		await button.trigger('click');
		const entries = stage.findAll('[role=menuitemradio]');
		expect(entries.map((entry) => [entry.text(), entry.attributes('aria-checked')])).toEqual([
			['Auto now 480p', 'true'],
			['1080p60 source', 'false'],
			['480p', 'false'],
			['Audio only', 'false'],
		]);
		expect(document.activeElement).toBe(entries[0]!.element);
		key('ArrowDown');
		expect(document.activeElement).toBe(entries[1]!.element);
		key('ArrowUp');
		key('ArrowUp');
		expect(document.activeElement).toBe(entries[3]!.element);
		key('Home');
		key('ArrowDown');
		key('ArrowDown');
		await entries[2]!.trigger('click');
		expect(log.at(-1)).toBe('quality b');
		expect(stage.find('[role=menu]').exists()).toBe(false);
		expect(document.activeElement).toBe(button.element);
		stage.unmount();
	});

	it('begins at the choice, closes with Escape, and returns to automatic', async () => {
		const { stage, log } = mountStage({ qualities, preference: small, quality: small, shownQuality: small });
		const button = stage.get('[aria-haspopup=menu]');
		expect(button.attributes('aria-label')).toBe('Quality: 480p');
		await button.trigger('click');
		expect(document.activeElement?.textContent).toContain('480p');
		key('Escape');
		await nextTick();
		expect(stage.find('[role=menu]').exists()).toBe(false);
		await button.trigger('click');
		await stage.findAll('[role=menuitemradio]')[0]!.trigger('click');
		expect(log.at(-1)).toBe('quality auto');
		stage.unmount();
	});

	it('has a text over sound without a picture, with the reason', async () => {
		const { stage, become } = mountStage({ qualities, preference: sound, quality: sound, shownQuality: sound });
		expect(stage.get('.sound-only [role=status]').text()).toBe('Audio only');
		await become({ preference: undefined, quality: undefined });
		expect(stage.get('.sound-only [role=status]').text()).toContain('your line is too slow');
		await become({ preference: small, quality: small });
		expect(stage.get('.sound-only [role=status]').text()).toContain('your line is too slow');
		await become({ shownQuality: small });
		expect(stage.find('.sound-only').exists()).toBe(false);
		stage.unmount();
	});

	it('keeps the focus while entries come, go and move, and closes with Escape', async () => {
		const { stage, log, become } = mountStage({ qualities, preference: small, quality: small, shownQuality: small });
		const button = stage.get('[aria-haspopup=menu]');
		const focused = (): string => document.activeElement!.textContent;
		for (const close of ['from an entry', 'from nowhere']) {
			await become({ qualities, quality: small });
			await button.trigger('click');
			const other = { ...small, id: 'other' };
			await become({ qualities: [source, other, sound], quality: other });
			expect(focused()).toContain('480p');
			await become({ qualities: [source, sound], quality: source });
			expect(focused()).toContain('480p not available');
			key('Home');
			await become({ qualities });
			expect(focused()).toContain('Auto');
			if (close === 'from nowhere') {
				(document.activeElement as HTMLElement).blur();
			}
			key('m');
			key('k');
			key('Escape');
			await nextTick();
			expect(stage.find('[role=menu]').exists()).toBe(false);
			expect(document.activeElement).toBe(button.element);
		}
		expect(log).toEqual(['start']);
		key('m');
		expect(log.at(-1)).toBe('mute');
		stage.unmount();
	});

	it('closes with Escape wherever the focus is, and leaves it and other keys there', async () => {
		const { stage, log } = mountStage({ qualities, shownQuality: small });
		await stage.get('[aria-haspopup=menu]').trigger('click');
		const mute = stage.get<HTMLButtonElement>('[aria-label="Mute (m)"]').element;
		mute.focus();
		key('m');
		expect(log.at(-1)).toBe('mute');
		key('Escape');
		await nextTick();
		expect(stage.find('[role=menu]').exists()).toBe(false);
		expect(document.activeElement).toBe(mute);
		stage.unmount();
	});

	it('changes nothing when a choice that waits is chosen again', async () => {
		const { stage, log } = mountStage({
			qualities: [source],
			preference: small,
			quality: source,
			shownQuality: source,
		});
		const button = stage.get('[aria-haspopup=menu]');
		expect(button.text()).toBe('480p · now 1080p60');
		await button.trigger('click');
		await stage.get('[aria-checked=true]').trigger('click');
		expect(log).toEqual(['start']);
		stage.unmount();
	});

	it('has a text over a source of sound alone, and no latency that is never measured', async () => {
		const statistics = { widthPixels: undefined, latencyMs: undefined } as PlaybackStatistics;
		const channel = { ...CHANNEL, video: null };
		const { stage, become } = mountStage({ statistics }, channel);
		expect(stage.get('.sound-only [role=status]').text()).toBe('Audio only');
		expect(stage.find('.gauge').exists()).toBe(false);
		await become({ statistics: { ...statistics, latencyMs: 300 } });
		expect(stage.get('.gauge').text()).toContain('0.30 s');
		await become({ statistics: { ...statistics, widthPixels: 640 } });
		expect(stage.find('.sound-only').exists()).toBe(false);
		expect(stage.get('.gauge').text()).toContain('measuring');
		stage.unmount();
	});
});

describe('the tier on the page', () => {
	const props = { ...VIEW, isPaused: false };

	it('shows a change under way, a distance to live, or a poor line before a reason of the server', async () => {
		const decision = { decisionId: 1, tier: 'webrtc', reason: 'fits', isEmergency: false } as const;
		const status = mount(TierStatus, { props: { ...props, decision } });
		const before = status.text();
		await status.setProps({ isBehindLive: true });
		expect(status.text()).toContain('behind live');
		await status.setProps({ pendingTier: 'll-hls' });
		expect(status.text()).toContain('Changing to Low latency');
		await status.setProps({ lineProblem: 'starved' });
		expect(status.text()).toContain('Your line brings less');
		await status.setProps({ lineProblem: undefined, pendingTier: undefined, isBehindLive: false });
		expect(status.text()).toBe(before);
		await status.setProps({ state: 'stopped', isPaused: true });
		expect(status.text()).toContain('Paused');
	});

	it('says why the picture in real time is smaller, where the viewer would ask', async () => {
		const decision = { decisionId: 1, tier: 'webrtc', reason: 'fits', isEmergency: false } as const;
		const status = mount(TierStatus, { props: { ...props, decision } });
		const before = status.text();
		await status.setProps({ pictureLimit: 'seats' });
		expect(status.text()).toContain('so the picture is smaller for now');
		await status.setProps({ pictureLimit: 'line' });
		expect(status.text()).toContain('Your line carries a smaller picture');
		for (const pictureLimit of ['screen', 'choice', undefined] as const) {
			await status.setProps({ pictureLimit });
			expect(status.text()).toBe(before);
		}
		await status.setProps({ pictureLimit: 'seats', tier: 'll-hls' });
		expect(status.text()).not.toContain('smaller');
	});

	it('is chosen with the switch', async () => {
		const tiers = mount(TierSwitch, { props: { tier: 'webrtc', pendingTier: undefined } });
		await tiers.findAll('input')[1]!.trigger('change');
		expect(tiers.emitted('choose')).toEqual([['ll-hls']]);
	});

	it('has a latency only when it was measured', async () => {
		const gauge = mount(LatencyGauge, { props: { latencyMs: undefined } });
		expect(gauge.text()).toContain('measuring');
		await gauge.setProps({ latencyMs: 250 });
		expect(gauge.text()).toContain('0.25');
	});
});
