/** A broadcast between fake publishers and fake tiers, on a fake clock. Closes after its test. */
import { onTestFinished } from 'vitest';
import { createId, type BroadcastId, type ChannelId, type ChannelName } from '../../core/ids.ts';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { Broadcast, type BroadcastEndReason } from '../broadcast/broadcast.ts';
import type { BroadcastState } from '../broadcast/broadcast-state.ts';
import type { MediaPlan } from '../media-plan/media-planner.ts';
import { EncoderBudget } from '../media-plan/work-budget.ts';
import { FakePublisher, type FakeEncoderSettings } from './fake-publisher.ts';
import { FakeRouter, type FakeStage } from './fake-stage.ts';
import { FakeTrackSink } from './fake-track-sink.ts';
import { FakeTranscoderFactory } from './fake-transcoders.ts';

export class BroadcastBench {
	readonly clock = new FakeClock();
	readonly logger = new RecordingLogger();
	readonly sink = new FakeTrackSink();
	readonly transcoders = new FakeTranscoderFactory();
	readonly routers: FakeRouter[] = [];
	readonly states: BroadcastState[] = [];
	readonly plans: MediaPlan[] = [];
	readonly endReasons: BroadcastEndReason[] = [];
	/** The next router fails with this error. */
	routerError: Error | undefined;
	readonly encoderBudget = new EncoderBudget(200_000_000);
	readonly broadcast: Broadcast;

	/** Which rungs the broadcast may have. */
	ladderChoice: LadderChoice = 'off';

	constructor(graceWindowMs = 60_000, maxPublisherBitrateBps = 20_000_000) {
		this.broadcast = new Broadcast(
			{
				clock: this.clock,
				logger: this.logger,
				transcoders: this.transcoders,
				packager: this.sink,
				encoderGrants: this.encoderBudget.grantsFor({ isKnown: false }),
				ladderChoice: () => this.ladderChoice,
				maxPublisherBitrateBps,
				createRouter: () => {
					if (this.routerError !== undefined) {
						return Promise.reject(this.routerError);
					}
					const router = new FakeRouter();
					this.routers.push(router);
					return Promise.resolve(router.asRouter);
				},
			},
			{
				id: createId<BroadcastId>(this.clock.nowMs()),
				channelId: 'channel' as ChannelId,
				channelName: 'demo' as ChannelName,
				graceWindowMs,
			},
		);
		this.broadcast.on('stateChanged', (state) => this.states.push(state));
		this.broadcast.on('planChanged', (plan) => this.plans.push(plan));
		this.broadcast.on('ended', (reason) => this.endReasons.push(reason));
		onTestFinished(() => this.broadcast.close('unpublished'));
	}

	/** The newest stage. */
	get stage(): FakeStage {
		return this.routers.at(-1)!.stage;
	}

	/** A started broadcast without a publisher. */
	static async started(graceWindowMs?: number, maxPublisherBitrateBps?: number): Promise<BroadcastBench> {
		const bench = new BroadcastBench(graceWindowMs, maxPublisherBitrateBps);
		await bench.broadcast.start();
		return bench;
	}

	/** A started broadcast with a publisher whose tracks are configured. */
	static async withPublisher(
		settings: Partial<FakeEncoderSettings> = {},
		graceWindowMs?: number,
	): Promise<{ bench: BroadcastBench; publisher: FakePublisher }> {
		const bench = await BroadcastBench.started(graceWindowMs);
		return { bench, publisher: bench.attach(settings) };
	}

	/** Attaches another publisher, with this key. */
	attach(settings: Partial<FakeEncoderSettings> = {}, streamKeyId?: string): FakePublisher {
		const publisher = new FakePublisher(this.clock, settings);
		this.broadcast.attach(publisher, streamKeyId);
		publisher.configure();
		return publisher;
	}

	/** The last plan's legs as `track tier: mode`. */
	get modes(): string[] {
		return this.plans.at(-1)?.legs.map((leg) => `${leg.track} ${leg.tier}: ${leg.mode}`) ?? [];
	}
}
