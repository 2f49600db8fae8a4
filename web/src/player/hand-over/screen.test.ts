/**
 * One screen in a happy-dom page, with a fake playback and a fake sound.
 * @vitest-environment happy-dom
 */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import type { PlaybackState } from '../playback/playback-state.ts';
import type { Playback, PlaybackEvents } from '../playback/playback.ts';
import { Screen } from './screen.ts';
import { CROSS_FADE_MS } from './sound-mixer.ts';

class FakePlayback extends TypedEmitter<PlaybackEvents> {
	readonly tier = 'webrtc';
	state: PlaybackState = 'idle';
	stop(): void {
		this.state = 'stopped';
	}
	play(): void {
		const previous = this.state;
		this.state = 'playing';
		this.emit('stateChanged', 'playing', previous);
	}
	leave(): void {
		this.emit('pictureLeaving');
	}
}

/** Scripts the element's answers to play(); returns a count of the calls. */
function scriptPlay(
	video: HTMLVideoElement,
	...answers: Array<'plays' | 'NotAllowedError' | 'AbortError'>
): () => number {
	let count = 0;
	video.play = async () => {
		const answer = answers[Math.min(count++, answers.length - 1)]!;
		if (answer !== 'plays') {
			throw new DOMException('', answer);
		}
		setPaused(video, false);
	};
	return () => count;
}

function setPaused(video: HTMLVideoElement, paused: boolean, ended = false): void {
	Object.defineProperties(video, {
		paused: { value: paused, configurable: true },
		ended: { value: ended, configurable: true },
	});
	video.dispatchEvent(new Event(paused ? 'pause' : 'play'));
}

function setUp() {
	const playback = new FakePlayback();
	const container = document.createElement('div');
	const soundLog: string[] = [];
	const reports: string[] = [];
	const sound = {
		setLevel: ({ isMuted }: { isMuted: boolean }) => void soundLog.push(isMuted ? 'muted' : 'loud'),
		setAudible: (isAudible: boolean) => void soundLog.push(isAudible ? 'audible' : 'silent'),
		setPaused: (isSoundPaused: boolean) => void soundLog.push(isSoundPaused ? 'paused' : 'resumed'),
		close: () => void soundLog.push('closed'),
	};
	const screen = new Screen(
		{
			container,
			playback: playback as unknown as Playback,
			mixer: { connect: () => sound },
			onSoundBlocked: () => reports.push('sound blocked'),
			onPausedElsewhere: (paused) => reports.push(paused ? 'paused elsewhere' : 'played on elsewhere'),
		},
		{ settings: { isPaused: false, isMuted: false, volume: 1 }, isAudible: false },
	);
	return { screen, playback, container, soundLog, reports, clock: new FakeClock(), video: screen.video };
}

const settle = (): Promise<void> => new Promise((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

describe('Screen', () => {
	it('is laid out but invisible until it is revealed, and removes its elements at the end', async () => {
		const { screen, container, video, soundLog, playback, clock } = setUp();
		expect([container.children.length, video.style.opacity, video.dataset['shown']]).toEqual([2, '0', undefined]);
		screen.reveal();
		expect([video.style.opacity, video.dataset['shown']]).toEqual(['1', 'true']);
		screen.retire(clock);
		expect([video.style.opacity, video.dataset['shown']]).toEqual(['0', undefined]);
		expect(soundLog).toEqual(['resumed', 'audible', 'silent']);
		await clock.advance(CROSS_FADE_MS * 3);
		expect([container.children.length, playback.state, soundLog.at(-1)]).toEqual([0, 'stopped', 'closed']);
	});

	it('plays each new source unless the viewer has paused', () => {
		const { screen, video } = setUp();
		const count = scriptPlay(video, 'plays');
		video.dispatchEvent(new Event('loadstart'));
		expect(count()).toBe(1);
		screen.setPaused(true);
		video.dispatchEvent(new Event('loadstart'));
		expect(count()).toBe(1);
		screen.setPaused(false);
		expect(count()).toBe(2);
	});

	it('plays without sound where the browser needs a click first, and reports it', async () => {
		const { video, soundLog, reports } = setUp();
		const count = scriptPlay(video, 'NotAllowedError', 'plays');
		video.dispatchEvent(new Event('loadstart'));
		await settle();
		expect([count(), video.muted, reports, soundLog.at(-1)]).toEqual([2, true, ['sound blocked'], 'muted']);
	});

	it('does not retry when a newer source has taken over', async () => {
		const { video, reports } = setUp();
		const count = scriptPlay(video, 'AbortError');
		video.dispatchEvent(new Event('loadstart'));
		await settle();
		expect([count(), reports]).toEqual([1, []]);
	});

	it('reports a pause from outside, but not the viewer’s own, the end of a broadcast, or its own end', () => {
		const { screen, video, reports, clock } = setUp();
		scriptPlay(video, 'plays');
		setPaused(video, true, true);
		expect(reports).toEqual([]);
		setPaused(video, true);
		expect(reports).toEqual(['paused elsewhere']);
		screen.setPaused(true);
		setPaused(video, true);
		expect(reports).toHaveLength(1);
		setPaused(video, false);
		expect(reports.at(-1)).toBe('played on elsewhere');
		screen.retire(clock);
		setPaused(video, false);
		expect(reports).toHaveLength(2);
	});

	it('keeps the last picture until the next one, but not of a retired leg', () => {
		const { playback, container, video, screen, clock } = setUp();
		const picture = container.querySelector('canvas')!;
		picture.getContext = () => null;
		playback.leave();
		expect(picture.hidden).toBe(true);
		Object.defineProperties(video, {
			videoWidth: { value: 640 },
			videoHeight: { value: 360 },
			readyState: { value: 2 },
		});
		playback.leave();
		expect([picture.hidden, picture.width, picture.height]).toEqual([false, 640, 360]);
		playback.play();
		expect(picture.hidden).toBe(true);
		screen.retire(clock);
		playback.leave();
		expect(picture.hidden).toBe(true);
	});

	it('calls back once with the next picture, or after a short wait', async () => {
		const { screen, clock } = setUp();
		let count = 0;
		screen.onNextFrame(clock, () => count++);
		await clock.advance(90);
		expect(count).toBe(0);
		await clock.advance(20);
		expect(count).toBe(1);
		let paint = (): void => undefined;
		Object.assign(screen.video, { requestVideoFrameCallback: (callback: () => void) => (paint = callback) });
		screen.onNextFrame(clock, () => count++);
		paint();
		await clock.advance(200);
		expect(count).toBe(2);
	});
});
