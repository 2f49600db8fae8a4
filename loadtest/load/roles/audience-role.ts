/** The role `audience`: viewers with a signaling socket, who play the tier that the server decides. */
import { chance } from '../../../core/lifecycle/back-off.ts';
import type { CancelTimer } from '../../../core/lifecycle/clock.ts';
import type { TierDecision } from '../../../core/protocol/signaling/signaling-messages.ts';
import { hlsPlayers } from './hls-player.ts';
import { scheduleArrivals } from './arrivals.ts';
import { firstNotes, type Role, type RoleContext, TIER_NAMES } from './role.ts';
import { createWebRtcPlayer } from './webrtc-player.ts';
import { AudienceViewer, type AudienceViewerEvents } from './audience-viewer.ts';
import { FrameReader, SignalingSocket } from '../../clients/signaling/signaling-socket.ts';

const EACH_INTERVAL_MS = 1000;
const MAX_NOTES = 5;

export class AudienceRole implements Role {
	readonly #context: RoleContext;
	readonly #note: RoleContext['note'];
	/** In the order of arrival. */
	readonly #viewers = new Set<AudienceViewer>();
	readonly #createHls = hlsPlayers();
	readonly #reader = new FrameReader();
	readonly #cancels: CancelTimer[] = [];
	#isStopped = false;

	constructor(context: RoleContext) {
		this.#context = context;
		this.#note = firstNotes(context.note, MAX_NOTES);
	}

	start(): Promise<void> {
		const { clock } = this.#context;
		this.#cancels.push(
			clock.setInterval(() => this.#viewers.forEach((viewer) => viewer.each()), EACH_INTERVAL_MS),
			scheduleArrivals(this.#context, () => void this.#arrive()),
		);
		return Promise.resolve();
	}

	arrive(): void {
		void this.#arrive();
	}

	/** The oldest viewers leave first, so that those behind them in the waiting list move up. */
	leave(count: number, overMs: number): void {
		[...this.#viewers].slice(0, count).forEach((viewer, index) => {
			this.#cancels.push(this.#context.clock.setTimeout(() => void this.#remove(viewer), (index * overMs) / count));
		});
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		this.#cancels.splice(0).forEach((cancel) => cancel());
		await Promise.all([...this.#viewers].map((viewer) => this.#remove(viewer)));
	}

	async #remove(viewer: AudienceViewer): Promise<void> {
		if (this.#viewers.delete(viewer)) {
			this.#context.figures.adjust('audience.joined', -1);
		}
		await viewer.close();
	}

	async #arrive(): Promise<void> {
		const { clock, config, figures } = this.#context;
		const viewer: AudienceViewer = new AudienceViewer({
			clock,
			channel: config.channel,
			isPinnedToHls: config.isPinnedToHls,
			createSocket: (join, onMessage, onClosed) =>
				new SignalingSocket({
					clock,
					url: config.endpoints.signaling!,
					join,
					reader: this.#reader,
					onMessage,
					onClosed,
				}),
			createPlayer: (tier, onLost, viewerId) =>
				tier === 'webrtc'
					? createWebRtcPlayer(this.#context, onLost, viewerId)
					: this.#createHls(this.#context, onLost),
			chance,
			events: this.#events(() => void this.#remove(viewer)),
		});
		figures.count('audience.started');
		this.#viewers.add(viewer);
		figures.adjust('audience.joined', 1);
		const fromMs = clock.monotonicMs();
		try {
			await viewer.start();
			figures.sample('audience.answer', clock.monotonicMs() - fromMs);
		} catch (error) {
			if (!this.#isStopped) {
				figures.count('audience.refused');
				this.#note(`audience viewer was refused: ${(error as Error).message}`);
			}
			await this.#remove(viewer);
		}
	}

	#events(onDropped: () => void): AudienceViewerEvents {
		const { figures } = this.#context;
		let decided: TierDecision | undefined;
		return {
			decided: (decision) => {
				figures.count(`audience.decisions.${TIER_NAMES[decision.tier]}.${decision.reason}`);
				decided = decision;
			},
			held: (tier, by) => {
				const name = `audience.${TIER_NAMES[tier]}Held`;
				figures.adjust(name, by);
				figures.sample(name, figures.gauge(name));
			},
			playing: (tier, before) => {
				if (before !== undefined) {
					figures.adjust(`audience.${TIER_NAMES[before]}`, -1);
					figures.adjust(`${TIER_NAMES[before]}.playing`, -1);
				}
				if (tier !== undefined) {
					figures.adjust(`audience.${TIER_NAMES[tier]}`, 1);
					figures.adjust(`${TIER_NAMES[tier]}.playing`, 1);
				}
			},
			switched: (tier, durationMs, isFirst) => {
				const name = isFirst ? `${TIER_NAMES[tier]}.join` : 'audience.switch';
				figures.sample(name, durationMs);
				if (!isFirst) {
					figures.count(`audience.switches.${TIER_NAMES[tier]}.${decided?.reason ?? 'unknown'}`);
				}
			},
			legFailed: (tier, reason) => {
				figures.count(`${TIER_NAMES[tier]}.failed`);
				this.#note(`audience viewer: ${tier} failed: ${reason}`);
			},
			reconnected: () => figures.count('audience.reconnects'),
			dropped: (reason) => {
				figures.count('audience.dropped');
				this.#note(`audience viewer was dropped: ${reason}`);
				onDropped();
			},
			presence: (viewerCount) => figures.set('audience.presence', viewerCount),
		};
	}
}
