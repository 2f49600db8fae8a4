/** The stage and router of a broadcast for tests: records the media for viewers, without a worker. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRouter, BroadcastRouterEvents } from '../../sfu/broadcast/broadcast-router.ts';
import type { PublisherPacket } from '../../sfu/stage/layer/live-layer.ts';
import type { StageEndReason, StageEvents } from '../../sfu/stage/stage.ts';

/** One picture, packet or sound at the stage. */
export type StageEntry = {
	track: TrackKind;
	/** `written`: packetized here. `forwarded`: the publisher's RTP. `run`: another source from here on. */
	how: 'written' | 'forwarded' | 'run';
	isKeyFrame: boolean;
	timelineTicks: number;
	captureTimeMs: number;
};

/** The part of a stage that ingest uses. */
export class FakeStage extends TypedEmitter<StageEvents> {
	readonly entries: StageEntry[] = [];
	/** Pictures of rungs with their positions, and the ends of rungs. */
	readonly rungs: string[] = [];
	readonly video = {
		layers: {
			beginRun: (): void => this.#push('video', 'run', false, 0, 0),
			describe: (): void => undefined,
			writeRung: (name: string, { timelineTicks }: { timelineTicks: number }): void =>
				void this.rungs.push(`${name} ${timelineTicks}`),
			endRung: (name: string): void => void this.rungs.push(`${name} ends`),
		},
		beginRun: (): void => this.#push('video', 'run', false, 0, 0),
		writePicture: (picture: { isKeyFrame: boolean; timelineTicks: number; captureTimeMs: number }): void =>
			this.#push('video', 'written', picture.isKeyFrame, picture.timelineTicks, picture.captureTimeMs),
		forward: (packet: PublisherPacket): void =>
			this.#push('video', 'forwarded', packet.payload[0] === 0x67, packet.timelineTicks, packet.captureTimeMs),
	};
	readonly audio = {
		beginRun: (): void => this.#push('audio', 'run', false, 0, 0),
		writeFrame: (frame: { timelineTicks: number; captureTimeMs: number }): void =>
			this.#push('audio', 'written', true, frame.timelineTicks, frame.captureTimeMs),
		forward: (packet: PublisherPacket): void =>
			this.#push('audio', 'forwarded', true, packet.timelineTicks, packet.captureTimeMs),
	};

	/** Pictures or sounds that viewers get: after each `run` of the video from its first key frame on. */
	shown(track: TrackKind): StageEntry[] {
		let isWaiting = track === 'video';
		return this.entries.filter((entry) => {
			if (entry.track === track && entry.how === 'run') {
				isWaiting = track === 'video';
			} else if (entry.track === track && entry.isKeyFrame) {
				isWaiting = false;
			}
			return entry.track === track && entry.how !== 'run' && !isWaiting;
		});
	}

	/** Viewers want a key frame. */
	wantKeyFrame(): void {
		this.emit('keyFrameRequested');
	}

	#push(
		track: TrackKind,
		how: StageEntry['how'],
		isKeyFrame: boolean,
		timelineTicks: number,
		captureTimeMs: number,
	): void {
		this.entries.push({ track, how, isKeyFrame, timelineTicks, captureTimeMs });
	}
}

/** The part of a broadcast's router that ingest uses. */
export class FakeRouter extends TypedEmitter<BroadcastRouterEvents> {
	readonly stage = new FakeStage();
	closeReason: StageEndReason | undefined;

	close(reason: StageEndReason): Promise<void> {
		if (this.closeReason === undefined) {
			this.closeReason = reason;
			this.emit('closed', reason);
		}
		return Promise.resolve();
	}

	/** As the broadcast's dependency. */
	get asRouter(): BroadcastRouter {
		return this as unknown as BroadcastRouter;
	}
}
