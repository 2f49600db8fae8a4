/** Sound through a running mixer and without one, over a fake AudioContext. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SOUND_ADDED_EVENT } from '../playback/playback.ts';
import { CROSS_FADE_MS, SoundMixer, type MixerContext } from './sound-mixer.ts';

class FakeStream {
	readonly tracks: string[];
	constructor(...tracks: string[]) {
		this.tracks = tracks;
	}
	getAudioTracks = () => this.tracks;
}

class FakeVideo extends EventTarget {
	srcObject: FakeStream | null = null;
	src = '';
	muted = false;
	volume = 1;
}

class FakeNode {
	readonly name: string;
	readonly log: string[];
	mediaStream: unknown;
	readonly gain = {
		value: 1,
		ramps: [] as number[][],
		cancelScheduledValues() {},
		setValueAtTime() {},
		linearRampToValueAtTime: (value: number, atSeconds: number) => void this.gain.ramps.push([value, atSeconds]),
	};
	constructor(name: string, log: string[]) {
		this.name = name;
		this.log = log;
	}
	connect(): void {
		this.log.push(`connect ${this.name}`);
	}
	disconnect(): void {
		this.log.push(`disconnect ${this.name}`);
	}
}

function setUp(firstState: AudioContextState = 'running') {
	const log: string[] = [];
	const gains: FakeNode['gain'][] = [];
	const context = {
		state: firstState,
		currentTime: 5,
		destination: {},
		createGain() {
			const node = new FakeNode('gain', log);
			gains.push(node.gain);
			return node;
		},
		createMediaElementSource: () => new FakeNode('element', log),
		createMediaStreamSource: (stream: unknown) => Object.assign(new FakeNode('stream', log), { mediaStream: stream }),
		async resume() {
			log.push('resume');
			if (!permission.isGiven) {
				throw new Error('NotAllowedError');
			}
			context.state = 'running';
		},
		close: async () => void log.push('close'),
	};
	const permission = { isGiven: false };
	const gestures = new EventTarget();
	const mixer = new SoundMixer({ gestures, createContext: () => context as unknown as MixerContext });
	const video = new FakeVideo();
	const connect = (isAudible = true, level = { isMuted: false, volume: 0.5 }) =>
		mixer.connect(video as unknown as HTMLVideoElement, level, isAudible);
	log.length = 0;
	return { log, gains, permission, gestures, mixer, video, connect };
}

beforeEach(() => void vi.stubGlobal('MediaStream', FakeStream));
afterEach(() => vi.unstubAllGlobals());

describe('a sound that is mixed', () => {
	it('fades in and out within 20 ms, at the viewer’s loudness', () => {
		const { connect, gains } = setUp();
		const sound = connect(false);
		expect(gains[0]!.value).toBe(0);
		sound.setAudible(true);
		sound.setLevel({ isMuted: false, volume: 0.8 });
		sound.setPaused(true);
		sound.setPaused(false);
		sound.setLevel({ isMuted: true, volume: 0.8 });
		expect(gains[0]!.ramps.map(([value]) => value)).toEqual([0.5, 0.8, 0, 0.8, 0]);
		expect(gains[0]!.ramps.every(([, atSeconds]) => atSeconds === 5 + CROSS_FADE_MS / 1000)).toBe(true);
	});

	it('comes from a stream as soon as it has sound, while the element is muted', () => {
		const { connect, video, log } = setUp();
		video.srcObject = new FakeStream();
		connect();
		expect(log).toEqual(['connect gain']);
		video.srcObject.tracks.push('audio');
		video.dispatchEvent(new Event(SOUND_ADDED_EVENT));
		video.dispatchEvent(new Event('loadedmetadata'));
		expect(log).toEqual(['connect gain', 'connect stream']);
		expect(video.muted).toBe(true);
		video.srcObject = new FakeStream('audio');
		video.dispatchEvent(new Event('loadstart'));
		expect(log.slice(2)).toEqual(['disconnect stream', 'connect stream']);
	});

	it('comes from an element with a source, which then plays unmuted at full volume', () => {
		const { connect, video, log } = setUp();
		const sound = connect();
		expect(video.muted).toBe(true);
		video.src = 'blob:1';
		video.dispatchEvent(new Event('loadstart'));
		video.dispatchEvent(new Event('loadstart'));
		expect([log, video.muted, video.volume]).toEqual([['connect gain', 'connect element'], false, 1]);
		sound.close();
		expect(log.slice(2)).toEqual(['disconnect element', 'disconnect gain']);
		video.dispatchEvent(new Event('loadstart'));
		expect(log).toHaveLength(4);
	});
});

describe('a sound that is not mixed', () => {
	it('plays in the element, muted while hidden, at the viewer’s loudness', () => {
		const { connect, video, log } = setUp('suspended');
		const sound = connect(false);
		expect([video.muted, video.volume]).toEqual([true, 0.5]);
		sound.setAudible(true);
		sound.setPaused(true);
		expect(video.muted).toBe(false);
		sound.setLevel({ isMuted: true, volume: 0.2 });
		expect([video.muted, video.volume]).toEqual([true, 0.2]);
		sound.setLevel({ isMuted: false, volume: 0.2 });
		sound.close();
		expect([video.muted, log]).toEqual([true, []]);
	});

	it('plays in the element without AudioContext', () => {
		const mixer = new SoundMixer({ gestures: new EventTarget(), createContext: () => undefined });
		const video = new FakeVideo();
		mixer.connect(video as unknown as HTMLVideoElement, { isMuted: false, volume: 0.3 }, true);
		expect(video.volume).toBe(0.3);
		mixer.close();
	});
});

describe('SoundMixer', () => {
	it('resumes at a gesture, and not after its end', async () => {
		const { mixer, permission, gestures, connect, log } = setUp('suspended');
		gestures.dispatchEvent(new Event('pointerdown'));
		await Promise.resolve();
		connect();
		permission.isGiven = true;
		gestures.dispatchEvent(new Event('keydown'));
		await Promise.resolve();
		connect();
		expect(log).toEqual(['resume', 'resume', 'connect gain']);
		mixer.close();
		mixer.close();
		gestures.dispatchEvent(new Event('keydown'));
		expect(log.slice(3)).toEqual(['close']);
	});
});
