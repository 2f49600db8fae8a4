/** The rooms of this node: all viewers by channel, with one WebRTC budget for all channels. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import { parseChannelName, type ChannelName, type ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import type { AudienceReport } from '../../../core/protocol/api/audience-report.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { MessageBus } from '../../platform/bus/message-bus.ts';
import type { Announcements } from '../../platform/cluster/announcements.ts';
import type { NodeIdentity } from '../../platform/cluster/node-identity.ts';
import type { Channel } from '../../channels/channel-store.ts';
import type { ChatService } from '../../chat/store/chat-service.ts';
import { Presence } from '../presence/presence.ts';
import type { ViewerTokens } from '../presence/viewer-token.ts';
import type { JoinMessage, SignalingRooms, ViewerConnection, ViewerSession } from '../socket/viewer-session.ts';
import { LEAST_CEILINGS, picturesOf } from '../tiers/held-pictures.ts';
import type { ViewerCost } from '../tiers/sfu-budget.ts';
import type { SfuBudget, SfuLoad, TierConditions } from '../tiers/tier-input.ts';
import { reportAudience } from './audience-report.ts';
import { ChannelAudience } from './channel-audience.ts';
import { ChannelCosts } from './channel-costs.ts';
import { holdingsBps, PictureBudget, type Holdings } from './picture-budget.ts';
import type { ViewerEventSink } from './viewer-event-log.ts';
import { WebRtcClaims } from './webrtc-claims.ts';
import { WebRtcSessions, type WebRtcSession } from './webrtc-sessions.ts';

/** Leases, decisions and news are checked this often. */
const TICK_MS = 1000;
/** A channel is read from the database this often, in case the announcement of a change was missed. */
const REFRESH_MS = 10_000;
/** A room without viewers is closed after this; a reload finds it still open. */
const EMPTY_ROOM_MS = 10_000;
const MAX_ROOMS = 10_000;

export type RoomsDependencies = NodeIdentity & {
	clock: Clock;
	logger: Logger;
	bus: MessageBus;
	announcements: Announcements;
	channels: { findByName(text: string): Promise<Channel | undefined> };
	chat: Pick<ChatService, 'open'>;
	events: ViewerEventSink;
	tokens: ViewerTokens;
	/** The SFU's budget and load, now. */
	sfu: { budget(): SfuBudget; load(): SfuLoad };
	/** The channel as the API shows it, with the state of its broadcast. */
	describe(channel: Channel): ChannelDescription;
	/** What one WebRTC viewer of the channel costs. */
	costOf(channelName: ChannelName): ViewerCost;
};

/** Does nothing before start(). */
export class AudienceRooms implements SignalingRooms {
	readonly #deps: RoomsDependencies;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #rooms = new Map<ChannelName, ChannelAudience>();
	readonly #opening = new Map<ChannelName, Promise<ChannelAudience>>();
	readonly #presence: Presence;
	readonly #transports: WebRtcSessions;
	readonly #claims: WebRtcClaims;
	readonly #lost = new Map<ChannelName, Set<ViewerId>>();
	readonly #costs: ChannelCosts;
	readonly #pictures: PictureBudget;
	#tickCount = 0;
	/** What is sent to a viewer may close their socket, and so lead to another decision meanwhile. */
	#isDecidingPictures = false;

	constructor(deps: RoomsDependencies) {
		const { bus, announcements, clock, logger, nodeId } = deps;
		this.#deps = deps;
		this.#claims = new WebRtcClaims(clock);
		this.#costs = new ChannelCosts(deps);
		this.#pictures = new PictureBudget({
			clock,
			logger,
			limit: (channelName) => this.#transports.limitBySeats(channelName),
		});
		this.#scope = new CloseScope(logger);
		this.#presence = new Presence({
			bus,
			announcements,
			clock,
			logger,
			nodeId,
			countHere: () => this.#countHere(),
			onMoved: (viewerId, channelName) => this.#rooms.get(channelName)?.dropMoved(viewerId),
		});
		this.#transports = new WebRtcSessions({
			onLastClosed: (viewerId, channelName, reason) => this.#rooms.get(channelName)?.transportClosed(viewerId, reason),
			onWorkerLost: (viewerId, channelName) => this.#onWorkerLost(viewerId, channelName),
			onPicture: (viewerId, channelName, picture) => this.#rooms.get(channelName)?.pictures.changed(viewerId, picture),
			ceilingOf: (viewerId, channelName) => {
				const group = this.#rooms.get(channelName)?.pictures.groupOf(viewerId) ?? 'ordinary';
				return this.#pictures.ceilingOf(channelName, group);
			},
			onLineTooPoor: (viewerId, channelName) => this.#rooms.get(channelName)?.pictures.lineTooPoor(viewerId),
		});
	}

	start(): void {
		this.#presence.start();
		this.#scope.onClose(() => this.#presence.close());
		this.#scope.onClose(async () => {
			await Promise.all([...this.#rooms.values()].map((room) => room.close('server-shutdown')));
			this.#rooms.clear();
		});
		this.#scope.every(this.#deps.clock, TICK_MS, () => this.#tick());
		void this.#deps.announcements
			.listen('channel:changed', (name) => void this.#refresh(name as ChannelName))
			.then((end) => this.#scope.onClose(end));
	}

	get roomCount(): number {
		return this.#rooms.size;
	}

	viewerCount(channelName: string): number {
		return this.#presence.count(channelName as ChannelName).viewerCount;
	}

	/** This node's viewers of a channel by tier, with the number over all nodes. */
	distribution(name: ChannelName): AudienceReport {
		return this.#rooms.get(name)?.report() ?? reportAudience([], this.#presence.count(name));
	}

	/** This node's viewers of these broadcasts together. */
	viewersByTier(broadcasts: Iterable<{ channelName: ChannelName }>): Record<DeliveryTier, number> {
		const sum = { webrtc: 0, 'll-hls': 0 };
		for (const { channelName } of broadcasts) {
			const byTier = this.#rooms.get(channelName)?.report().byTier;
			sum.webrtc += byTier?.webrtc.count ?? 0;
			sum['ll-hls'] += byTier?.['ll-hls'].count ?? 0;
		}
		return sum;
	}

	/** This node's viewers of these broadcasts together, by tier and by the picture that plays, where that is known. */
	viewersByRung(broadcasts: Iterable<{ channelName: ChannelName }>): AudienceReport['rungs'] {
		return [...broadcasts].flatMap(({ channelName }) => this.#rooms.get(channelName)?.report().rungs ?? []);
	}

	async join(connection: ViewerConnection, message: JoinMessage): Promise<ViewerSession> {
		const room = await this.room(message.channel);
		return room.join(connection, message);
	}

	/** The channel's room; throws CHANNEL_NOT_FOUND, DATABASE_UNAVAILABLE and SERVER_STOPPING. */
	async room(channelName: string): Promise<ChannelAudience> {
		const name = parseChannelName(channelName);
		if (name === undefined) {
			throw new SpillwayError('CHANNEL_NOT_FOUND', [channelName.slice(0, 40)]);
		}
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		const open = this.#rooms.get(name);
		if (open !== undefined) {
			return open;
		}
		let opening = this.#opening.get(name);
		if (opening === undefined) {
			opening = this.#open(name).finally(() => this.#opening.delete(name));
			this.#opening.set(name, opening);
		}
		return opening;
	}

	hasViewer(viewerId: string, channelName: ChannelName): boolean {
		return this.#rooms.get(channelName)?.has(viewerId as ViewerId) ?? false;
	}

	addTransport(session: WebRtcSession): void {
		this.#transports.add(session);
		this.#rooms.get(session.channelName)?.pictures.opened(session);
	}

	/** Sends a channel's new title, category or policy to its viewers on every node at once. */
	channelChanged(channelName: ChannelName): Promise<void> {
		return this.#deps.announcements.announce('channel:changed', channelName);
	}

	/** The SFU's budget or load changed: decides again in every room. */
	loadChanged(): void {
		for (const room of this.#rooms.values()) {
			room.decide();
		}
	}

	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	async #open(name: ChannelName): Promise<ChannelAudience> {
		if (this.#rooms.size >= MAX_ROOMS) {
			throw new SpillwayError('SOCKETS_FULL');
		}
		const { channels, chat, clock, logger, tokens, events, describe } = this.#deps;
		const channel = await channels.findByName(name);
		if (channel === undefined) {
			throw new SpillwayError('CHANNEL_NOT_FOUND', [name]);
		}
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		const room = new ChannelAudience({
			channel,
			chatRoom: chat.open(channel.id),
			clock,
			logger: logger.child({ channel: name }),
			tokens,
			events,
			describe,
			conditions: () => this.#conditions(name),
			hasTransport: (viewerId) => this.#transports.has(viewerId),
			claims: this.#claims,
			transports: this.#transports,
			count: () => this.#presence.count(name),
			onCountChanged: () => this.#presence.changed(),
			onDecided: () => this.#decidePictures(),
			onReturned: (viewerId) => this.#presence.announceMove(viewerId, name),
		});
		this.#rooms.set(name, room);
		return room;
	}

	#conditions(name: ChannelName): TierConditions {
		const { consumersPerViewer, bitrateBps, soundBps, pictures } = this.#costs.of(name);
		return {
			policy: this.#rooms.get(name)!.channel.policy,
			bitrateBps,
			soundBps,
			pictures,
			consumersPerViewer,
			budget: this.#deps.sfu.budget(),
			load: this.#deps.sfu.load(),
			otherChannelsHeld: this.#heldByOthers(name),
		};
	}

	#heldByOthers(name: ChannelName): TierConditions['otherChannelsHeld'] {
		const held = { consumers: 0, bitrateBps: 0 };
		for (const other of this.#channelNames) {
			const isOther = other !== name;
			const room = isOther ? this.#rooms.get(other) : undefined;
			const outsiderCount = this.#outsiderCount(other, !isOther);
			const viewerCount = outsiderCount + (room?.usedCount ?? 0);
			if (viewerCount > 0) {
				const cost = this.#costs.of(other);
				held.consumers += viewerCount * cost.consumersPerViewer;
				held.bitrateBps += holdingsBps(this.#holdings(cost, room, outsiderCount), LEAST_CEILINGS);
			}
		}
		return held;
	}

	/** Pictures get smaller, or better again, on all channels alike. `decideTiers`: what comes first. */
	#decidePictures(decideTiers?: () => void): void {
		if (this.#isDecidingPictures) {
			return;
		}
		this.#isDecidingPictures = true;
		try {
			decideTiers?.();
			this.#fitPictures();
		} finally {
			this.#isDecidingPictures = false;
		}
	}

	#fitPictures(): void {
		const { maxBitrateBps } = this.#deps.sfu.budget();
		if (!this.#pictures.isAtWork(maxBitrateBps)) {
			return;
		}
		const channels = [...this.#channelNames].map((channelName) => ({
			channelName,
			...this.#holdings(
				this.#costs.of(channelName),
				this.#rooms.get(channelName),
				this.#outsiderCount(channelName, false),
			),
		}));
		this.#pictures.decide(maxBitrateBps, channels);
	}

	#holdings(cost: ViewerCost, room: ChannelAudience | undefined, outsiderCount: number): Holdings {
		const weakCount = room === undefined ? 0 : this.#claims.weakCount(room.channel.name);
		return {
			pictures: picturesOf(cost),
			held: room?.held,
			outsiderCount: outsiderCount - weakCount,
		};
	}

	// Transports without a viewer in a room: players without a socket, and viewers who left.
	#outsiderCount(name: ChannelName, withWeak: boolean): number {
		const room = this.#rooms.get(name);
		const outsiders = this.#transports.countOutsiders(name, (viewerId) => room?.has(viewerId) ?? false);
		const unclaimed = outsiders === 0 ? 0 : (room?.unclaimedCount(withWeak) ?? 0);
		return Math.max(0, outsiders - unclaimed);
	}

	get #channelNames(): Iterable<ChannelName> {
		return new Set([...this.#rooms.keys(), ...this.#transports.channelNames]);
	}

	#countHere(): ReadonlyMap<ChannelName, number> {
		return new Map([...this.#rooms].map(([name, room]) => [name, room.viewerCount]));
	}

	// The transports of a worker close one after the other; their viewers are decided together.
	#onWorkerLost(viewerId: ViewerId, channelName: ChannelName): void {
		const isFirst = this.#lost.size === 0;
		const lost = this.#lost.get(channelName) ?? new Set<ViewerId>();
		lost.add(viewerId);
		this.#lost.set(channelName, lost);
		if (isFirst) {
			this.#deps.clock.setTimeout(() => {
				const channels = [...this.#lost];
				this.#lost.clear();
				for (const [name, viewers] of channels) {
					this.#deps.logger.warn({ channel: name, viewerCount: viewers.size }, 'viewers lost their SFU worker');
					this.#rooms.get(name)?.decide(viewers);
				}
			}, 0);
		}
	}

	#tick(): void {
		this.#tickCount++;
		this.#costs.forgetOld();
		this.#decidePictures(() => {
			for (const [name, room] of this.#rooms) {
				room.tick();
				if (room.emptyForMs > EMPTY_ROOM_MS) {
					this.#rooms.delete(name);
					void room.close('empty');
				} else if ((this.#tickCount * TICK_MS) % REFRESH_MS === 0) {
					void this.#refresh(name);
				}
			}
		});
	}

	async #refresh(name: ChannelName): Promise<void> {
		if (!this.#rooms.has(name)) {
			return;
		}
		const { channels, logger } = this.#deps;
		try {
			const channel = await channels.findByName(name);
			if (channel !== undefined) {
				this.#rooms.get(name)?.update(channel);
			}
		} catch (error) {
			logger.debug({ reason: errorMessage(error) }, 'a channel could not be read again yet');
		}
	}
}
