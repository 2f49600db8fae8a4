/**
 * The real plan, HandOver and TierChooser on a fake clock. Scenes change the legs, and the legs follow Chromium's
 * behaviour: sound slides to a new delay by 45 ms a second, the picture jumps there.
 */
import { expect } from 'vitest';
import { TypedEmitter } from '../../../../../core/lifecycle/typed-emitter.ts';
import { silentLogger } from '../../../../../core/logger.ts';
import type { ChannelState } from '../../../../../core/protocol/api/channel-description.ts';
import type { TierDecision } from '../../../../../core/protocol/signaling/signaling-messages.ts';
import type { DeliveryTier } from '../../../../../core/protocol/tiers.ts';
import { FakeClock } from '../../../../../core/testing/fake-clock.ts';
import { PlayedMoments } from '../../measure/alignment.ts';
import type { LineVerdict } from '../../measure/line-judge.ts';
import type { PlaybackState } from '../../playback/playback-state.ts';
import type { SignalingEvents, SignalingState } from '../../signaling/signaling-client.ts';
import type { LegReading, PlaybackStart, StageAction, StageReading } from '../hand-over-types.ts';
import type { StageEvents } from '../hand-over-stage.ts';
import { HandOver } from '../hand-over.ts';
import type { Screen } from '../screen.ts';
import { TierChooser } from '../tier-chooser.ts';

export const EPOCH_MS = 1_000_000;
const FRAME_MS = 40;
/** Of WebRTC above its target, and of LL-HLS at the live edge. */
export const OWN_LATENCY_MS = { webrtc: 60, 'll-hls': 700 };
const OPENING_MS = { webrtc: 300, 'll-hls': 600 };
const SOUND_CREEP_MS_PER_S = 45;
/** How fast a hidden LL-HLS leg moves to its aim. */
const HURRY_MS_PER_S = 200;

/** LL-HLS has media of so long; further back only what is kept plays. */
const WINDOW_MS = 45_000;
const NEAR_LIVE_MS = 30_000;

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
	/** Plays what is kept, always behind live. */
	readonly isKept: boolean;

	constructor(tier: DeliveryTier, start: PlaybackStart, nowMs: number, isPaused: boolean) {
		this.tier = tier;
		this.openedAtMs = nowMs;
		this.isPaused = isPaused;
		const delayMs = start.delayMs ?? 0;
		this.target = { pictureMs: delayMs, soundMs: delayMs };
		this.soundBehindMs = OWN_LATENCY_MS.webrtc + delayMs;
		this.isShifted = start.fromCaptureTimeMs !== undefined;
		this.isKept = EPOCH_MS + nowMs - (start.fromCaptureTimeMs ?? Infinity) > NEAR_LIVE_MS;
		const beginsAtMs = nowMs + OPENING_MS[tier];
		this.pictureBehindMs =
			start.fromCaptureTimeMs === undefined
				? OWN_LATENCY_MS[tier] + 200
				: EPOCH_MS + beginsAtMs - start.fromCaptureTimeMs;
	}

	/** Shows the next frame; `newestMs`: the last that the publisher has sent. One that begins paused shows one. */
	play(nowMs: number, newestMs: number): boolean {
		const isStill = this.isPaused && !(this.isShifted && this.moments.latest === undefined);
		if (this.state === 'stopped' || isStill || !this.isFed || nowMs - this.openedAtMs < OPENING_MS[this.tier]) {
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

	#timeShift(nowMs: number): LegReading['timeShift'] {
		return {
			isShifted: this.isShifted,
			isStarved: false,
			hasLiveEdge: !this.isKept,
			reaches: (captureTimeMs) => this.isKept || captureTimeMs > EPOCH_MS + nowMs - WINDOW_MS,
		};
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

	/** Pauses, or plays on from its picture. */
	unpause(nowMs: number, isPaused: boolean): void {
		const { latest } = this.moments;
		if (this.isPaused && !isPaused && this.isShifted && latest !== undefined) {
			this.pictureBehindMs = EPOCH_MS + nowMs - latest.captureTimeMs;
		}
		this.isPaused = isPaused;
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
			timeShift: isWebrtc ? undefined : this.#timeShift(nowMs),
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
				this.pending = new FakeLeg(action.tier, action.start, nowMs, action.start.fromCaptureTimeMs !== undefined);
				return;
			case 'swap':
				this.log.push('swap');
				this.#measureJump(watched!.moments.positionMs(nowMs), pending!.moments.positionMs(nowMs));
				[this.watched, this.pending] = [pending, undefined];
				this.watched!.unpause(nowMs, action.isPaused);
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
				watched!.unpause(nowMs, action.isPaused);
				return;
			case 'seek':
				this.log.push(`seek ${Math.round((EPOCH_MS + nowMs - action.captureTimeMs) / 1000)} s back`);
				watched!.isShifted = true;
				watched!.pictureBehindMs = EPOCH_MS + nowMs - action.captureTimeMs;
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

	setSpeed(): void {}

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

export function setUp() {
	const [clock, log] = [new FakeClock(), [] as string[]];
	const stage = new FakeStage(clock, log);
	const signaling = new FakeSignaling(log);
	const handOver = new HandOver(
		{ clock, logger: silentLogger, stage },
		{ canHls: true, canRewind: true, isPaused: false },
	);
	const chooser = new TierChooser({ clock, handOver, signaling }, { initialTier: 'webrtc' });
	handOver.on('swapped', (tier) => log.push(`watch ${tier}`));
	handOver.on('switchFailed', (tier) => log.push(`gave up ${tier}`));
	handOver.on('rewindFailed', () => log.push('rewinding failed'));
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
