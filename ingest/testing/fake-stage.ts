/** The stage and router of a broadcast for tests: keeps what is sent to viewers, without a worker. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRouter, BroadcastRouterEvents } from '../../sfu/broadcast/broadcast-router.ts';
import type { PublisherPacket } from '../../sfu/stage/video-stage-track.ts';
import type { Stage, StageEndReason, StageEvents } from '../../sfu/stage/stage.ts';

/** One picture, packet or sound as the stage got it. */
export type StageEntry = {
	track: TrackKind;
	/** `written`: of our own packetising. `forwarded`: the publisher's RTP. `run`: another source from here on. */
	how: 'written' | 'forwarded' | 'run';
	isKeyFrame: boolean;
	timelineTicks: number;
	captureTimeMs: number;
};

/** What ingest uses of a stage. */
export class FakeStage extends TypedEmitter<StageEvents> {
	readonly entries: StageEntry[] = [];
	readonly video = {
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

	/** Pictures or sounds that viewers see and hear: behind each `run` of the video from its first key frame on. */
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

	/** As the broadcast's dependency. */
	get asStage(): Stage {
		return this as unknown as Stage;
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

/** What ingest uses of a broadcast's router. */
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
