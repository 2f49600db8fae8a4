/**
 * The stories of docs/decisions.md against the real plan on a fake clock. Scenes change the legs, and the legs follow
 * Chromium's behaviour: sound slides to a new delay by 45 ms a second, the picture jumps there. The tests compare the
 * actions, and the picture at the swap.
 */
import { describe, expect, it } from 'vitest';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { silentLogger } from '../../../../core/logger.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { TierDecision } from '../../../../core/protocol/signaling/signaling-messages.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { PlayedMoments } from '../measure/alignment.ts';
import type { LineVerdict } from '../measure/line-judge.ts';
import type { PlaybackState } from '../playback/playback-state.ts';
import type { SignalingEvents, SignalingState } from '../signaling/signaling-client.ts';
import type { LegReading, PlaybackStart, StageAction, StageReading } from './hand-over-types.ts';
import type { StageEvents } from './hand-over-stage.ts';
import { HandOver } from './hand-over.ts';
import type { Screen } from './screen.ts';
import { TierChooser } from './tier-chooser.ts';

const EPOCH_MS = 1_000_000;
const FRAME_MS = 40;
/** Of WebRTC above its target, and of LL-HLS at the live edge. */
const OWN_LATENCY_MS = { webrtc: 60, 'll-hls': 700 };
const OPENING_MS = { webrtc: 300, 'll-hls': 600 };
const SOUND_CREEP_MS_PER_S = 45;
/** How fast a hidden LL-HLS leg moves to its aim. */
const HURRY_MS_PER_S = 200;

/** One leg: a scene changes its fields, and `play` shows the next frame. */
class FakeLeg {
	readonly tier: DeliveryTier;
	readonly moments = new PlayedMoments();
	readonly openedAtMs: number;
	state: PlaybackState = 'connecting';
	isFed = true;
	hasConnected = false;
	isPaused: boolean;
	lineVerdict: LineVerdict = 'plays';
	lastMediaAtMs: number | undefined;
	/** WebRTC: no picture comes, and the moments are the sound's. */
	isSoundAlone = false;
	/** WebRTC: the picture is held this much above its target. */
	heldMs = 0;
	target: { pictureMs: number; soundMs: number };
	soundBehindMs: number;
	pictureBehindMs: number;
	/** LL-HLS: the distance to live that it moves to. */
	aimMs = OWN_LATENCY_MS['ll-hls'];
	isShifted: boolean;
	isWatched = false;

	constructor(tier: DeliveryTier, start: PlaybackStart, nowMs: number, isPaused: boolean) {
		this.tier = tier;
		this.openedAtMs = nowMs;
		this.isPaused = isPaused;
		const delayMs = start.delayMs ?? 0;
		this.target = { pictureMs: delayMs, soundMs: delayMs };
		this.soundBehindMs = OWN_LATENCY_MS.webrtc + delayMs;
		this.isShifted = start.fromCaptureTimeMs !== undefined;
		const beginsAtMs = nowMs + OPENING_MS[tier];
		this.pictureBehindMs =
			start.fromCaptureTimeMs === undefined
				? OWN_LATENCY_MS[tier] + 200
				: EPOCH_MS + beginsAtMs - start.fromCaptureTimeMs;
	}

	/** Shows the next frame; `newestMs`: the last that the publisher has sent. */
	play(nowMs: number, newestMs: number): boolean {
		if (this.state === 'stopped' || this.isPaused || !this.isFed || nowMs - this.openedAtMs < OPENING_MS[this.tier]) {
			return false;
		}
		this.hasConnected = true;
		this.#move();
		const captureTimeMs = Math.round(EPOCH_MS + nowMs - this.pictureBehindMs);
		if (captureTimeMs > newestMs) {
			return false;
		}
		this.lastMediaAtMs = nowMs;
		this.moments.add({ captureTimeMs, playedAtMs: nowMs });
		return true;
	}

	#move(): void {
		if (this.tier === 'webrtc') {
			this.pictureBehindMs = this.target.pictureMs + OWN_LATENCY_MS.webrtc + this.heldMs;
			const missingMs = this.target.soundMs + OWN_LATENCY_MS.webrtc - this.soundBehindMs;
			const creepMs = (SOUND_CREEP_MS_PER_S * FRAME_MS) / 1000;
			this.soundBehindMs += Math.max(-creepMs, Math.min(creepMs, missingMs));
			this.pictureBehindMs = this.isSoundAlone ? this.soundBehindMs : this.pictureBehindMs;
		} else if (!this.isShifted) {
			const stepMs = (HURRY_MS_PER_S * FRAME_MS) / 1000;
			this.pictureBehindMs += Math.max(-stepMs, Math.min(stepMs, this.aimMs - this.pictureBehindMs));
		}
	}

	read(nowMs: number): LegReading {
		const isWebrtc = this.tier === 'webrtc';
		const positionMs = this.moments.positionMs(nowMs);
		return {
			tier: this.tier,
			state: this.state,
			error: undefined,
			latestMs: this.moments.latest?.captureTimeMs,
			positionMs,
			isSteady: this.moments.isSteady(nowMs),
			soundMs: isWebrtc && this.hasConnected ? EPOCH_MS + nowMs - this.soundBehindMs : undefined,
			latencyMs: positionMs === undefined ? undefined : EPOCH_MS + nowMs - positionMs,
			lineVerdict: isWebrtc ? this.lineVerdict : undefined,
			delay: isWebrtc ? this : undefined,
			timeShift: isWebrtc ? undefined : { isShifted: this.isShifted, isStarved: false },
			isElsewhere: false,
			fillsScreen: false,
		};
	}
}

class FakeStage extends TypedEmitter<StageEvents> {
	readonly clock: FakeClock;
	readonly log: string[];
	readonly measurements = {} as HandOverDepsMeasurements;
	/** How far the content jumped at each swap from a picture that moved. */
	readonly jumpsMs: number[] = [];
	level = { isMuted: false, volume: 1 };
	channelState: ChannelState = 'live';
	/** The last picture that the publisher sent before they were lost. */
	lostAtMs = Infinity;
	watched: FakeLeg | undefined;
	pending: FakeLeg | undefined;
	/** For each leg that is shown at once. */
	isFed = true;
	maxLipErrorMs = 0;

	constructor(clock: FakeClock, log: string[]) {
		super();
		this.clock = clock;
		this.log = log;
	}

	get shown(): Screen | undefined {
		return this.watched as unknown as Screen | undefined;
	}

	read(): StageReading {
		const nowMs = this.clock.monotonicMs();
		const { channelState } = this;
		return {
			nowMs,
			channelState,
			isPageVisible: true,
			shown: this.watched?.read(nowMs),
			pending: this.pending?.read(nowMs),
		};
	}

	perform(action: StageAction): void {
		const nowMs = this.clock.monotonicMs();
		const { watched, pending } = this;
		switch (action.do) {
			case 'slide':
				(action.leg === 'shown' ? watched : pending)!.target = action.target;
				return;
			case 'align-with':
				pending!.aimMs = Math.max(OWN_LATENCY_MS['ll-hls'], pending!.pictureBehindMs + action.aheadMs);
				return;
			case 'show':
				this.log.push(`show ${action.tier}`);
				this.watched = new FakeLeg(action.tier, {}, nowMs, action.isPaused);
				this.watched.isFed = this.isFed;
				return;
			case 'open':
				this.log.push(`open ${action.tier}`);
				this.pending = new FakeLeg(action.tier, action.start, nowMs, false);
				return;
			case 'swap':
				this.log.push('swap');
				this.#measureJump(watched!.moments.positionMs(nowMs), pending!.moments.positionMs(nowMs));
				[this.watched, this.pending] = [pending, undefined];
				return;
			case 'close-pending':
				this.log.push('close the second');
				this.pending = undefined;
				return;
			case 'rest':
				this.log.push('rest');
				this.#setState(watched!, 'stopped');
				return;
			case 'pause':
				watched!.isPaused = action.isPaused;
				return;
			case 'hold-position':
				watched!.isShifted = watched!.tier === 'll-hls';
				return;
			case 'go-live':
				watched!.isShifted = false;
				return;
			default:
				this.log.push(action.do);
		}
	}

	channelReported(channelState: ChannelState): void {
		this.channelState = channelState;
	}

	setLevel(): void {}

	preferQuality(): void {}

	close(): void {}

	/** Shows the next frame of every leg. */
	play(): void {
		const nowMs = this.clock.monotonicMs();
		for (const leg of [this.watched, this.pending]) {
			if (leg?.play(nowMs, this.lostAtMs) === true) {
				this.#setState(leg, 'playing');
			}
		}
		if (this.watched?.tier === 'webrtc' && this.watched.state === 'playing') {
			const lipErrorMs = Math.abs(this.watched.pictureBehindMs - this.watched.soundBehindMs);
			this.maxLipErrorMs = Math.max(this.maxLipErrorMs, lipErrorMs);
		}
	}

	#measureJump(fromMs: number | undefined, toMs: number | undefined): void {
		if (fromMs !== undefined && toMs !== undefined) {
			this.jumpsMs.push(toMs - fromMs);
		}
	}

	#setState(leg: FakeLeg, state: PlaybackState): void {
		if (leg.state !== state) {
			leg.state = state;
			this.emit('legChanged', leg === this.pending);
		}
	}
}

type HandOverDepsMeasurements = ConstructorParameters<typeof HandOver>[0]['stage']['measurements'];

class FakeSignaling extends TypedEmitter<SignalingEvents> {
	state: SignalingState = 'joined';
	readonly log: string[];

	constructor(log: string[]) {
		super();
		this.log = log;
	}
	pin(isPinnedToHls: boolean): boolean {
		this.log.push(`send pinned: ${isPinnedToHls}`);
		return true;
	}
	tierPlays(): void {}
	tierFailed(tier: DeliveryTier, cause: string): boolean {
		this.log.push(`send ${tier} failed: ${cause}`);
		return true;
	}
	decide(tier: DeliveryTier, reason: TierDecision['reason'], isEmergency = false): void {
		this.emit('decided', { decisionId: 1, tier, reason, isEmergency });
	}
}

/** One scene of a story: what happens, how long it lasts, and the expected log. */
type Scene = { when: () => void; forMs: number; then: string[] };

function setUp() {
	const [clock, log] = [new FakeClock(), [] as string[]];
	const stage = new FakeStage(clock, log);
	const signaling = new FakeSignaling(log);
	const handOver = new HandOver({ clock, logger: silentLogger, stage }, { canHls: true, isPaused: false });
	const chooser = new TierChooser({ clock, handOver, signaling }, { initialTier: 'webrtc' });
	handOver.on('swapped', (tier) => log.push(`watch ${tier}`));
	handOver.on('switchFailed', (tier) => log.push(`gave up ${tier}`));
	chooser.start();

	async function play(...scenes: Scene[]): Promise<void> {
		for (const { when, forMs, then } of scenes) {
			log.length = 0;
			when();
			for (let passedMs = 0; passedMs < forMs; passedMs += FRAME_MS) {
				stage.play();
				await clock.advance(FRAME_MS);
			}
			expect(log).toEqual(then);
		}
	}
	return { clock, stage, signaling, handOver, chooser, play };
}

describe('a viewer', () => {
	it('changes to LL-HLS on a busy machine, and misses next to nothing', async () => {
		const { clock, stage, signaling, handOver, play } = setUp();
		let isBusy = true;
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			{
				when: () => {
					signaling.decide('ll-hls', 'seats-full');
					// Both cores are busy for 0.3 s of every second, and the browser then holds the picture back.
					clock.setInterval(() => {
						if (stage.watched!.tier === 'webrtc') {
							stage.watched!.heldMs = isBusy ? 120 : 0;
						}
						isBusy = clock.monotonicMs() % 1000 < 300;
					}, 100);
				},
				forMs: 40_000,
				then: ['open ll-hls', 'swap', 'watch ll-hls'],
			},
		);
		expect(Math.abs(stage.jumpsMs[0]!)).toBeLessThan(100);
		expect(handOver.reading.state).toBe('settled');
	});

	it('changes to WebRTC without waiting for sliding sound, and keeps lip sync', async () => {
		const { stage, signaling, handOver, play } = setUp();
		await play(
			{ when: () => signaling.decide('ll-hls', 'seats-full'), forMs: 4000, then: ['show ll-hls'] },
			{
				when: () => {
					signaling.decide('webrtc', 'fits');
					// Its sound was added at once, and slides.
					stage.pending!.soundBehindMs = 78;
				},
				forMs: 7000,
				then: ['open webrtc'],
			},
			{ when: () => undefined, forMs: 2000, then: ['swap', 'watch webrtc'] },
			{ when: () => undefined, forMs: 60_000, then: [] },
			{ when: () => (stage.maxLipErrorMs = 0), forMs: 1000, then: [] },
			{
				when: () => signaling.decide('ll-hls', 'seats-full'),
				forMs: 40_000,
				then: ['open ll-hls', 'swap', 'watch ll-hls'],
			},
		);
		expect(stage.jumpsMs.map(Math.abs).filter((jumpMs) => jumpMs > 40)).toEqual([]);
		// ITU-R BT.1359-1: 45 ms early or 125 ms late is noticed.
		expect(stage.maxLipErrorMs).toBeLessThan(125);
		expect(handOver.reading.state).toBe('settled');
	});

	it('hears next to no jump with the sound alone, to LL-HLS and back', async () => {
		const { stage, signaling, handOver, play } = setUp();
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			{ when: () => (stage.watched!.isSoundAlone = true), forMs: 5000, then: [] },
			{
				when: () => signaling.decide('ll-hls', 'seats-full'),
				forMs: 40_000,
				then: ['open ll-hls', 'swap', 'watch ll-hls'],
			},
			{
				when: () => {
					signaling.decide('webrtc', 'fits');
					stage.pending!.isSoundAlone = true;
					// Its sound is not where it should be, and slides.
					stage.pending!.soundBehindMs += 150;
				},
				forMs: 8000,
				then: ['open webrtc', 'swap', 'watch webrtc'],
			},
			{ when: () => undefined, forMs: 60_000, then: [] },
		);
		expect(stage.jumpsMs.map(Math.abs).filter((jumpMs) => jumpMs > 60)).toEqual([]);
		expect(handOver.reading.state).toBe('settled');
		expect(stage.watched!.soundBehindMs).toBe(OWN_LATENCY_MS.webrtc);
	});

	it('sees LL-HLS within two seconds when the SFU worker dies, and nothing twice', async () => {
		const { stage, signaling, play } = setUp();
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			{ when: () => (stage.watched!.isFed = false), forMs: 200, then: [] },
			{
				when: () => signaling.decide('ll-hls', 'worker-lost', true),
				forMs: 1800,
				then: ['open ll-hls', 'swap', 'watch ll-hls', 'send webrtc failed: connection-lost'],
			},
		);
		expect(stage.watched!.moments.latest!.captureTimeMs).toBeGreaterThan(EPOCH_MS + 2000);
	});

	it('gets LL-HLS when the path is cut, and keeps WebRTC when it recovers in time', async () => {
		const { stage, signaling, handOver, play } = setUp();
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			{ when: () => (stage.watched!.isFed = false), forMs: 600, then: ['open ll-hls'] },
			{ when: () => (stage.watched!.isFed = true), forMs: 200, then: ['close the second'] },
			{ when: () => undefined, forMs: 5000, then: [] },
			{
				when: () => (stage.watched!.isFed = false),
				forMs: 3000,
				then: ['open ll-hls', 'swap', 'watch ll-hls', 'send webrtc failed: connection-lost'],
			},
		);
		expect(handOver.shown?.tier).toBe('ll-hls');
	});

	it('gets LL-HLS on a network that blocks WebRTC before the browser reports it', async () => {
		const { stage, signaling, play } = setUp();
		stage.isFed = false;
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 1400, then: ['show webrtc'] },
			{
				when: () => undefined,
				forMs: 1600,
				then: ['open ll-hls', 'swap', 'watch ll-hls', 'send webrtc failed: blocked'],
			},
		);
	});

	it('gives up the seat in a pause, continues at the paused frame, and returns to live', async () => {
		const { stage, signaling, handOver, play } = setUp();
		await play({ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] });
		const pausedAtMs = stage.watched!.moments.latest!.captureTimeMs;
		await play(
			{ when: () => handOver.setPaused(true), forMs: 9900, then: [] },
			{ when: () => undefined, forMs: 200, then: ['leave-elsewhere', 'rest'] },
			{ when: () => signaling.decide('ll-hls', 'seats-full'), forMs: 50_000, then: [] },
			{ when: () => handOver.setPaused(false), forMs: 2000, then: ['open ll-hls', 'swap', 'watch ll-hls'] },
		);
		expect(stage.watched!.moments.latest!.captureTimeMs - pausedAtMs).toBeLessThan(2000);
		expect(handOver.isBehindLive).toBe(true);
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 1000, then: [] },
			{ when: () => handOver.goLive(), forMs: 100, then: ['open webrtc'] },
		);
		expect(handOver.isBehindLive).toBe(false);
	});

	it('gets LL-HLS seamlessly when they pin it, and real time again when they remove the pin', async () => {
		const { stage, signaling, chooser, handOver, play } = setUp();
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			{
				when: () => chooser.choose('ll-hls'),
				forMs: 40_000,
				then: ['send pinned: true', 'open ll-hls', 'swap', 'watch ll-hls'],
			},
			{ when: () => signaling.decide('ll-hls', 'pinned'), forMs: 1000, then: [] },
			{ when: () => chooser.choose('webrtc'), forMs: 500, then: ['send pinned: false'] },
			{
				when: () => signaling.decide('webrtc', 'fits'),
				forMs: 3000,
				then: ['open webrtc', 'swap', 'watch webrtc'],
			},
		);
		expect(handOver.reading.state).toBe('relaxing');
		await play({ when: () => undefined, forMs: 15_000, then: [] });
		expect(handOver.reading.state).toBe('settled');
		expect(stage.watched!.pictureBehindMs).toBe(OWN_LATENCY_MS.webrtc);
		expect(stage.jumpsMs.map(Math.abs).filter((jumpMs) => jumpMs > 40)).toEqual([]);
	});

	it('keeps the last picture of a lost publisher: the other tier shows nothing newer', async () => {
		const { clock, stage, signaling, handOver, play } = setUp();
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			// At first it looks like a cut path: LL-HLS opens, and shows nothing new.
			{ when: () => (stage.lostAtMs = EPOCH_MS + clock.monotonicMs()), forMs: 2500, then: ['open ll-hls'] },
			{ when: () => handOver.channelReported('interrupted'), forMs: 30_000, then: ['close the second'] },
		);
		expect(handOver.shown?.tier).toBe('webrtc');
	});

	it('stays in their tier when the publisher returns', async () => {
		const { clock, stage, signaling, handOver, play } = setUp();
		await play(
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] },
			{
				when: () => {
					stage.lostAtMs = EPOCH_MS + clock.monotonicMs();
					handOver.channelReported('interrupted');
				},
				forMs: 10_000,
				then: [],
			},
			{ when: () => (stage.lostAtMs = Infinity), forMs: 200, then: [] },
			{ when: () => handOver.channelReported('live'), forMs: 10_000, then: [] },
		);
		expect(handOver.shown?.tier).toBe('webrtc');
		expect(stage.watched!.pictureBehindMs).toBe(OWN_LATENCY_MS.webrtc);
	});
});
