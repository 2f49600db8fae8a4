/** The tier with a server's decision and without one. */
import { describe, expect, it } from 'vitest';
import type { TierDecision } from '../../../../core/protocol/signaling/signaling-messages.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import type { SignalingEvents, SignalingState, TierFailureCause } from '../signaling/signaling-client.ts';
import type { HandOverEvents } from './hand-over-types.ts';
import { TierChooser, type TierChooserDeps } from './tier-chooser.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

class FakeHandOver extends TypedEmitter<HandOverEvents> {
	readonly choices: string[] = [];
	shown: { tier: DeliveryTier } | undefined;
	isBehindLive = false;
	isAway = false;

	choose(tier: DeliveryTier, reason = '', isEmergency = false): void {
		this.choices.push(`${tier} ${reason}${isEmergency ? '!' : ''}`);
		this.shown = { tier };
	}
	rewind(): void {
		this.shown = { tier: 'll-hls' };
		this.isBehindLive = true;
		this.isAway = true;
		this.emit('changed');
	}
	goLive(tier: DeliveryTier): void {
		this.choices.push(`live in ${tier}`);
		this.isAway = false;
		this.emit('changed');
	}
	dropPicture(): void {
		this.choices.push('picture dropped');
	}
	fail(tier: DeliveryTier, cause: TierFailureCause = 'blocked'): void {
		this.shown = { tier: tier === 'webrtc' ? 'll-hls' : 'webrtc' };
		this.emit('tierFailed', tier, cause);
	}
}

class FakeSignaling extends TypedEmitter<SignalingEvents> {
	state: SignalingState = 'connecting';
	readonly sent: string[] = [];

	pin(isPinnedToHls: boolean): boolean {
		this.sent.push(`pin ${isPinnedToHls}`);
		return this.state === 'joined';
	}
	tierPlays(tier: DeliveryTier): void {
		this.sent.push(`plays ${tier}`);
	}
	tierFailed(tier: DeliveryTier, cause: string): boolean {
		this.sent.push(`failed ${tier} ${cause}`);
		return this.state === 'joined';
	}
	decide(change: Partial<TierDecision>): void {
		this.state = 'joined';
		this.emit('decided', { decisionId: 1, tier: 'webrtc', reason: 'fits', isEmergency: false, ...change });
	}
	lose(): void {
		this.state = 'waiting';
		this.emit('stateChanged', 'waiting');
	}
}

function setUp(initialTier: DeliveryTier = 'webrtc') {
	const [clock, handOver, signaling] = [new FakeClock(), new FakeHandOver(), new FakeSignaling()];
	const chooser = new TierChooser({ clock, handOver, signaling } as unknown as TierChooserDeps, { initialTier });
	chooser.start();
	return { clock, handOver, signaling, chooser };
}

describe('TierChooser', () => {
	it('starts in the tier that the join answer names', () => {
		const { handOver, signaling } = setUp();
		expect(handOver.choices).toEqual([]);
		signaling.decide({ tier: 'll-hls', reason: 'budget-consumers' });
		expect(handOver.choices).toEqual(['ll-hls budget-consumers']);
		expect(signaling.sent).toEqual(['plays ll-hls']);
	});

	it('starts without an answer after 700 ms, or when the socket is lost', async () => {
		const patient = setUp();
		await patient.clock.advance(700);
		expect(patient.handOver.choices).toEqual(['webrtc start']);
		const refused = setUp('ll-hls');
		refused.signaling.lose();
		expect(refused.handOver.choices).toEqual(['ll-hls start']);
	});

	it('follows the server’s decisions, also as an emergency', () => {
		const { handOver, signaling } = setUp();
		signaling.decide({});
		signaling.decide({ tier: 'll-hls', reason: 'worker-lost', isEmergency: true });
		signaling.decide({ tier: 'webrtc', reason: 'fits' });
		expect(handOver.choices).toEqual(['webrtc fits', 'll-hls worker-lost!', 'webrtc fits']);
	});

	it('requests WebRTC from the server, and chooses LL-HLS at once', () => {
		const { handOver, signaling, chooser } = setUp();
		signaling.decide({});
		chooser.choose('ll-hls');
		expect(handOver.choices.at(-1)).toBe('ll-hls chosen');
		signaling.decide({ tier: 'll-hls', reason: 'pinned' });
		const count = handOver.choices.length;
		chooser.choose('webrtc');
		expect(handOver.choices).toHaveLength(count);
		expect(signaling.sent).toContain('pin false');
		signaling.decide({ tier: 'webrtc' });
		expect(handOver.choices.at(-1)).toBe('webrtc fits');
	});

	it('retries a failed WebRTC at growing intervals without a server', async () => {
		const { clock, handOver, signaling, chooser } = setUp();
		signaling.lose();
		handOver.fail('webrtc');
		await clock.advance(30_000);
		expect(handOver.choices.filter((choice) => choice === 'webrtc tried again')).toHaveLength(1);
		handOver.fail('webrtc');
		await clock.advance(59_000);
		expect(handOver.choices.filter((choice) => choice === 'webrtc tried again')).toHaveLength(1);
		chooser.choose('ll-hls');
		await clock.advance(600_000);
		expect(handOver.choices.at(-1)).toBe('ll-hls chosen');
	});

	it('gives back the seat of a viewer behind live, keeps them there, and asks for one when they go to live', () => {
		const { handOver, signaling, chooser } = setUp();
		signaling.decide({});
		handOver.rewind();
		expect(signaling.sent.at(-1)).toBe('pin true');
		signaling.decide({ tier: 'll-hls', reason: 'pinned' });
		const count = handOver.choices.length;
		signaling.decide({ decisionId: 2 });
		expect(handOver.choices).toHaveLength(count);
		signaling.decide({ tier: 'll-hls', reason: 'pinned' });
		chooser.goLive();
		expect([signaling.sent.at(-1), handOver.choices.at(-1)]).toEqual(['pin false', 'll-hls ']);
		signaling.decide({ decisionId: 3 });
		expect(handOver.choices.at(-1)).toBe('live in webrtc');
		// On the way, the server changes its mind.
		signaling.decide({ decisionId: 4, tier: 'll-hls', reason: 'seats-full' });
		expect(handOver.choices.at(-1)).toBe('live in ll-hls');
	});

	it('goes to live after a short wait when no seat is free', async () => {
		const { clock, handOver, signaling, chooser } = setUp();
		signaling.decide({});
		handOver.rewind();
		signaling.decide({ tier: 'll-hls', reason: 'pinned' });
		chooser.goLive();
		await clock.advance(600);
		expect(handOver.choices.at(-1)).toBe('live in ll-hls');
	});

	it('goes to live without a server in the tier that the viewer wants', () => {
		const { handOver, signaling, chooser } = setUp();
		signaling.lose();
		handOver.rewind();
		chooser.goLive();
		expect(handOver.choices.at(-1)).toBe('live in webrtc');
	});

	it('keeps the pin of a viewer who has chosen LL-HLS', () => {
		const { handOver, signaling, chooser } = setUp('ll-hls');
		signaling.decide({ tier: 'll-hls', reason: 'pinned' });
		handOver.rewind();
		chooser.goLive();
		expect(handOver.choices.at(-1)).toBe('live in ll-hls');
		expect(signaling.sent.filter((message) => message.startsWith('pin'))).toEqual([]);
	});

	it('goes to live when a viewer behind live chooses real time', () => {
		const { handOver, signaling, chooser } = setUp();
		signaling.decide({});
		handOver.rewind();
		signaling.decide({ tier: 'll-hls', reason: 'pinned' });
		chooser.choose('webrtc');
		signaling.decide({ decisionId: 2 });
		expect(handOver.choices.at(-1)).toBe('live in webrtc');
	});

	it('reports a line that is too poor, and drops the picture without a server', () => {
		const led = setUp();
		led.signaling.decide({});
		led.handOver.fail('webrtc', 'line-too-poor');
		expect(led.signaling.sent).toContain('failed webrtc line-too-poor');
		expect(led.handOver.choices).not.toContain('picture dropped');
		const alone = setUp();
		alone.signaling.lose();
		alone.handOver.fail('webrtc', 'line-too-poor');
		expect(alone.handOver.choices).toContain('picture dropped');
	});

	it('reports what failed to the server, and stops when closed', async () => {
		const { clock, handOver, signaling, chooser } = setUp();
		signaling.decide({});
		handOver.fail('webrtc');
		expect(signaling.sent).toContain('failed webrtc blocked');
		chooser.close();
		signaling.decide({ tier: 'll-hls' });
		await clock.advance(600_000);
		expect(handOver.choices).toEqual(['webrtc fits']);
		expect(clock.pendingCount).toBe(0);
	});
});
