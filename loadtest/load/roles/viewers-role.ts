/** The roles `webrtc` and `hls`: viewers of one tier without a signaling socket. */
import type { CancelTimer } from '../../../core/lifecycle/clock.ts';
import { scheduleArrivals } from './arrivals.ts';
import type { Player, PlayerContext } from './player.ts';
import { firstNotes, type Role, type RoleContext } from './role.ts';

const EACH_INTERVAL_MS = 1000;
const MAX_NOTES = 3;

type CreatePlayer = (context: PlayerContext, onLost: (reason: string) => void) => Player;

export class ViewersRole implements Role {
	readonly #context: RoleContext;
	readonly #note: RoleContext['note'];
	readonly #prefix: 'webrtc' | 'hls';
	readonly #create: CreatePlayer;
	readonly #players = new Set<Player>();
	/** Not playing yet. */
	readonly #starting = new Set<Player>();
	readonly #cancels: CancelTimer[] = [];
	#isStopped = false;

	/** `prefix` begins the names of its figures. */
	constructor(context: RoleContext, prefix: 'webrtc' | 'hls', create: CreatePlayer) {
		this.#context = context;
		this.#note = firstNotes(context.note, MAX_NOTES);
		this.#prefix = prefix;
		this.#create = create;
	}

	start(): Promise<void> {
		const { clock } = this.#context;
		this.#cancels.push(
			clock.setInterval(() => this.#players.forEach((player) => player.each()), EACH_INTERVAL_MS),
			scheduleArrivals(this.#context, () => void this.#arrive()),
		);
		return Promise.resolve();
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		this.#cancels.splice(0).forEach((cancel) => cancel());
		const players = [...this.#players, ...this.#starting];
		this.#players.clear();
		await Promise.all(players.map((player) => player.close()));
	}

	async #arrive(): Promise<void> {
		const { clock, figures } = this.#context;
		const prefix = this.#prefix;
		const player: Player = this.#create(this.#context, (reason) => {
			figures.count(`${prefix}.disconnected`);
			figures.adjust(`${prefix}.playing`, -1);
			this.#note(`${prefix} viewer lost: ${reason}`);
			this.#players.delete(player);
			void player.close();
		});
		this.#starting.add(player);
		figures.count(`${prefix}.started`);
		const fromMs = clock.monotonicMs();
		try {
			await player.start();
		} catch (error) {
			if (!this.#isStopped) {
				figures.count(`${prefix}.failed`);
				this.#note(`${prefix} viewer failed: ${(error as Error).message}`);
			}
			await player.close();
			return;
		} finally {
			this.#starting.delete(player);
		}
		if (this.#isStopped) {
			await player.close();
			return;
		}
		figures.sample(`${prefix}.join`, clock.monotonicMs() - fromMs);
		figures.adjust(`${prefix}.playing`, 1);
		this.#players.add(player);
	}
}
