/** The room of one channel on this node: admits viewers, has their tiers decided, and sends them decisions and news. */
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { createId, type ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import type { AudienceReport } from '../../../core/protocol/api/audience-report.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type { Channel } from '../../channels/channel-store.ts';
import type { ChatRoom } from '../../chat/store/chat-service.ts';
import type { PresenceCount } from '../presence/presence.ts';
import type { ViewerTokens } from '../presence/viewer-token.ts';
import { PING_INTERVAL_MS } from '../socket/signaling-socket.ts';
import type {
	ConnectionEnd,
	JoinMessage,
	ViewerConnection,
	ViewerMessage,
	ViewerSession,
} from '../socket/viewer-session.ts';
import { TierController, type TierViewerChange } from '../tiers/tier-controller.ts';
import { nextDecided, type TierConditions, type TierVerdict, type TierViewer } from '../tiers/tier-input.ts';
import { reportAudience } from './audience-report.ts';
import { RoomNews } from './room-news.ts';
import { ViewerChat } from './viewer-chat.ts';
import type { ViewerEventKind, ViewerEventSink } from './viewer-event-log.ts';
import { Viewer } from './viewer.ts';
import { ViewerPictures } from './viewer-pictures.ts';
import type { WebRtcClaims } from './webrtc-claims.ts';
import type { WebRtcSessions } from './webrtc-sessions.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

/** A viewer without any sign of life is counted this long. */
const VIEWER_LEASE_MS = 2 * PING_INTERVAL_MS;
/** A viewer whose socket was cut is counted this long: a reconnect within it is no absence. */
const LINGER_MS = 6000;
/** From this many viewers on, several joins are decided together; below, each at once. */
const BATCHING_FROM_VIEWERS = 50;
/** How long a join waits for others. */
const BATCH_DELAY_MS = 20;

type ChannelAudienceDependencies = {
	channel: Channel;
	chatRoom: ChatRoom;
	clock: Clock;
	logger: Logger;
	tokens: ViewerTokens;
	events: ViewerEventSink;
	describe(channel: Channel): ChannelDescription;
	/** Current budget, load and what other channels hold. */
	conditions(): TierConditions;
	hasTransport(viewerId: ViewerId): boolean;
	/** Of all channels. */
	claims: WebRtcClaims;
	/** WebRTC transports of all channels. */
	transports: Pick<WebRtcSessions, 'stopPictures' | 'wish'>;
	count(): PresenceCount;
	onCountChanged(): void;
	/** After each decision: pictures may have to get smaller. */
	onDecided(): void;
	/** A viewer with a token has joined this node: another node may still count them. */
	onReturned(viewerId: ViewerId): void;
};

/** A viewer's open socket and their chat on it. */
type Attachment = { connection: ViewerConnection; chat: ViewerChat };

export class ChannelAudience {
	readonly #deps: ChannelAudienceDependencies;
	readonly #scope: CloseScope<'empty' | 'server-shutdown'>;
	readonly #viewers = new Map<ViewerId, Viewer>();
	readonly pictures: ViewerPictures;
	readonly #news: RoomNews;
	readonly #attachments = new Map<ViewerId, Attachment>();
	readonly #controller = new TierController();
	/** Viewers whose facts may have changed since the last decision. Time and transports are checked once a second. */
	readonly #changed = new Set<Viewer>();
	#channel: Channel;
	#batch: Promise<void> | undefined;
	#emptySinceMs: number;
	#isClosing = false;

	constructor(deps: ChannelAudienceDependencies) {
		this.#deps = deps;
		this.#channel = deps.channel;
		this.#scope = new CloseScope(deps.logger);
		this.#news = new RoomNews({
			clock: deps.clock,
			describe: () => this.#describe(),
			sendToAll: (text, importance) => this.#sendToAll(text, importance),
		});
		this.pictures = new ViewerPictures({
			logger: deps.logger,
			sessions: deps.transports,
			find: (viewerId) => this.#viewers.get(viewerId),
			onChanged: (viewer) => {
				this.#markChanged(viewer);
				void this.#decideSoon();
			},
		});
		this.#emptySinceMs = deps.clock.monotonicMs();
		this.#scope.onClose(() => deps.chatRoom.close());
	}

	get channel(): Channel {
		return this.#channel;
	}

	/** Includes viewers whose lease runs without a socket. */
	get viewerCount(): number {
		return this.#viewers.size;
	}

	/** Viewers who hold a WebRTC transport or are about to open one, as of the last decision. */
	get usedCount(): number {
		const { webRtcCount, leavingCount } = this.#controller.counts;
		return webRtcCount + leavingCount - this.#deps.claims.weakCount(this.#channel.name);
	}

	/** The pictures of those viewers, and of viewers whose claims need no room. */
	get held(): TierController['held'] {
		return this.#controller.held;
	}

	/** How long the room has had no viewer, ms; 0 with viewers. */
	get emptyForMs(): number {
		return this.#viewers.size > 0 ? 0 : this.#deps.clock.monotonicMs() - this.#emptySinceMs;
	}

	has(viewerId: ViewerId): boolean {
		return this.#viewers.has(viewerId);
	}

	/**
	 * Viewers who report WebRTC without a known transport, because their player sends no viewer id.
	 * `withWeak`: includes those that `usedCount` leaves out.
	 */
	unclaimedCount(withWeak: boolean): number {
		const { hasTransport, claims } = this.#deps;
		const isUnclaimed = ({ id, playingTier }: Viewer): boolean =>
			playingTier === 'webrtc' && !hasTransport(id) && (withWeak || !claims.isWeak(id, this.#channel.name));
		return [...this.#viewers.values()].filter(isUnclaimed).length;
	}

	update(channel: Channel): void {
		this.#channel = channel;
		this.#news.sendDescription();
		this.decide();
	}

	/** Admits a viewer and sends `joined`. */
	async join(connection: ViewerConnection, message: JoinMessage): Promise<ViewerSession> {
		const { viewer, isReturning } = this.#admit(message);
		this.#detach(viewer, 'replaced');
		const { chatRoom, logger, tokens, clock } = this.#deps;
		const chat = new ViewerChat({
			room: chatRoom,
			memberId: viewer.id,
			connection,
			logger,
			onStanding: (canModerate) => {
				// A moderator's place in the WebRTC tier ends with the role.
				viewer.role = this.#roleOf(connection, canModerate);
				this.#markChanged(viewer);
			},
		});
		const attachment: Attachment = { connection, chat };
		this.#attachments.set(viewer.id, attachment);
		viewer.connection = connection;
		viewer.address = connection.remoteAddress;
		viewer.leaseUntilMs = undefined;
		viewer.applyJoin(message);
		this.#enter(viewer, message.playingTier);
		const joined = await chat.join(message.lastChatId);
		if (this.#attachments.get(viewer.id) === attachment) {
			viewer.role = this.#roleOf(connection, joined.canModerate);
			this.#changed.add(viewer);
			this.#log(viewer, 'join', { isReturning, role: viewer.role, canWebRtc: message.canWebRtc });
			await this.#decideSoon();
		}
		if (this.#attachments.get(viewer.id) !== attachment || viewer.decision === undefined) {
			chat.leave();
			return { receive: () => undefined, end: () => undefined };
		}
		connection.send({
			type: 'joined',
			viewerId: viewer.id,
			resumeToken: tokens.create(viewer.id, this.#channel.id),
			nowMs: clock.nowMs(),
			channel: this.#describe(),
			decision: viewer.decision,
			chatName: joined.chatName,
			chatRestriction: joined.chatRestriction,
			chatSettings: joined.settings,
			chatHistory: joined.history,
			hasChatGap: joined.hasGap,
			canModerate: joined.canModerate,
		});
		chat.begin();
		return {
			receive: (later) => this.#receive(viewer, attachment, later),
			end: (how) => this.#end(viewer, attachment, how),
		};
	}

	/**
	 * Counts a viewer without a socket, and returns their next token. A beacon without a valid token only gets one: a
	 * single request counts no viewer.
	 */
	beacon(token: string | undefined): { token: string; isCounted: boolean } {
		const known = token === undefined ? undefined : this.#deps.tokens.read(token, this.#channel.id);
		if (known === undefined) {
			const viewerId = createId<ViewerId>(this.#deps.clock.nowMs());
			return { token: this.#deps.tokens.create(viewerId, this.#channel.id), isCounted: false };
		}
		const viewer = this.#viewers.get(known) ?? this.#add(known);
		if (viewer.connection === undefined) {
			viewer.leaseUntilMs = this.#deps.clock.monotonicMs() + VIEWER_LEASE_MS;
		}
		return { token: this.#deps.tokens.create(viewer.id, this.#channel.id), isCounted: true };
	}

	/** Removes a viewer without a socket. */
	leave(token: string): void {
		const viewerId = this.#deps.tokens.read(token, this.#channel.id);
		const viewer = viewerId === undefined ? undefined : this.#viewers.get(viewerId);
		if (viewer !== undefined && viewer.connection === undefined) {
			this.#remove(viewer, 'left');
		}
	}

	/** The viewer is at another node now. */
	dropMoved(viewerId: ViewerId): void {
		const viewer = this.#viewers.get(viewerId);
		if (viewer !== undefined) {
			this.#detach(viewer, 'replaced');
			this.#remove(viewer, 'moved');
		}
	}

	transportClosed(viewerId: ViewerId, reason: string): void {
		const viewer = this.#viewers.get(viewerId);
		if (viewer !== undefined) {
			viewer.transportClosed(reason);
			this.#changed.add(viewer);
		}
	}

	/** Decides, and notifies viewers whose decision changed. `lost`: viewers whose SFU worker has just died. */
	decide(lost: ReadonlySet<ViewerId> = new Set()): void {
		if (this.#isClosing) {
			return;
		}
		for (const viewerId of lost) {
			const viewer = this.#viewers.get(viewerId);
			if (viewer !== undefined) {
				viewer.workerLost();
				this.#changed.add(viewer);
			}
		}
		const changed = [...this.#changed];
		this.#changed.clear();
		changed.forEach((viewer) => this.#report(viewer));
		for (const { id, verdict } of this.#controller.decide(this.#deps.conditions(), this.#deps.clock.nowMs(), lost)) {
			this.#notify(id as ViewerId, verdict);
		}
		// Their reason may have changed, or they have just reconnected and have no decision yet.
		for (const { id } of changed) {
			this.#notify(id, this.#controller.verdictOf(id));
		}
		this.#deps.onDecided();
	}

	/** Once a second: leases, decisions, and news for all viewers. */
	tick(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		for (const viewer of [...this.#viewers.values()]) {
			if (viewer.leaseUntilMs !== undefined && nowMs >= viewer.leaseUntilMs) {
				this.#remove(viewer, 'lost');
			} else {
				this.#changed.add(viewer);
			}
		}
		this.decide();
		this.#news.sendDescription();
		this.#news.sendCount(this.#deps.count().viewerCount);
	}

	/** For the dashboard. */
	report(): AudienceReport {
		return reportAudience(this.#viewers.values(), this.#deps.count());
	}

	close(reason: 'empty' | 'server-shutdown'): Promise<void> {
		this.#isClosing = true;
		for (const viewer of [...this.#viewers.values()]) {
			this.#detach(viewer, 'serverStopping');
			this.#remove(viewer, 'server-stopping');
		}
		return this.#scope.close(reason);
	}

	#admit(message: JoinMessage): { viewer: Viewer; isReturning: boolean } {
		if (this.#isClosing) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		const { resumeToken } = message;
		const known = resumeToken === undefined ? undefined : this.#deps.tokens.read(resumeToken, this.#channel.id);
		const present = known === undefined ? undefined : this.#viewers.get(known);
		return { viewer: present ?? this.#add(known), isReturning: known !== undefined };
	}

	#add(known: ViewerId | undefined): Viewer {
		const viewer = new Viewer(known ?? createId<ViewerId>(this.#deps.clock.nowMs()), this.#deps.clock);
		this.#viewers.set(viewer.id, viewer);
		this.#enter(viewer, undefined);
		if (known !== undefined) {
			this.#deps.onReturned(known);
		}
		this.#deps.onCountChanged();
		return viewer;
	}

	// A reloaded page plays nothing, so it may start in either tier. A viewer without a decision who reports WebRTC is
	// believed only with a transport, or any client could jump the queue.
	#enter(viewer: Viewer, playingTier: DeliveryTier | undefined): void {
		const hasTransport = this.#deps.hasTransport(viewer.id);
		let decided: TierViewer['decided'];
		if (playingTier !== undefined) {
			decided = this.#controller.viewerOf(viewer.id)?.decided;
			if (playingTier === 'll-hls' || hasTransport) {
				decided ??= nextDecided(undefined, { tier: playingTier, reason: 'fits' }, this.#deps.clock.nowMs());
			}
		}
		this.#controller.leave(viewer.id);
		this.#controller.join({ ...this.#facts(viewer), decided });
		this.#changed.add(viewer);
	}

	// They may have left while their chat line was on its way.
	#markChanged(viewer: Viewer): void {
		if (this.#viewers.has(viewer.id)) {
			this.#changed.add(viewer);
		}
	}

	#report(viewer: Viewer): void {
		const known = this.#controller.viewerOf(viewer.id)!;
		const { id: _id, joinedAtMs: _joinedAtMs, ...change } = this.#facts(viewer);
		if ((Object.keys(change) as (keyof TierViewerChange)[]).some((key) => known[key] !== change[key])) {
			this.#controller.update(viewer.id, change);
		}
	}

	#facts(viewer: Viewer): Omit<TierViewer, 'decided'> {
		const { id, address, decision } = viewer;
		const hasTransport = this.#deps.hasTransport(id);
		const isAssignedWebRtc = decision?.tier === 'webrtc';
		const claimant = { id, address, channelName: this.#channel.name, isAssignedWebRtc, hasTransport };
		return viewer.forController(hasTransport, this.#deps.claims.isUnproven(claimant));
	}

	#roleOf({ user }: ViewerConnection, canModerate: boolean): Viewer['role'] {
		if (user !== undefined && user.id === this.#channel.ownerId) {
			return 'broadcaster';
		}
		return canModerate ? 'moderator' : 'viewer';
	}

	#receive(viewer: Viewer, { chat }: Attachment, message: ViewerMessage): void {
		switch (message.type) {
			case 'chat-send':
				void chat.send(message).then((isAccepted) => {
					viewer.lastChatAtMs = isAccepted ? this.#deps.clock.nowMs() : viewer.lastChatAtMs;
					this.#markChanged(viewer);
				});
				return;
			case 'chat-moderate':
				void chat.moderate(message);
				return;
			case 'picture-wish':
				this.pictures.wish(viewer, message);
				return;
			case 'statistics':
				viewer.statisticsEvents(message).forEach(([kind, payload]) => this.#log(viewer, kind, payload));
				viewer.record(message);
				return;
			default:
				if (message.type === 'tier-failed') {
					this.#deps.logger.info(
						{ viewerId: viewer.id, tier: message.tier, cause: message.cause },
						'a viewer reports a failed tier',
					);
					if (message.cause === 'line-too-poor') {
						this.#deps.transports.stopPictures(viewer.id);
					}
				}
				viewer.record(message);
				this.#markChanged(viewer);
				// A report of what plays frees places or takes none, so it can wait for the next second.
				if (message.type !== 'tier-playing') {
					void this.#decideSoon();
				}
		}
	}

	#end(viewer: Viewer, attachment: Attachment, how: ConnectionEnd): void {
		if (this.#attachments.get(viewer.id) !== attachment) {
			return;
		}
		this.#attachments.delete(viewer.id);
		attachment.chat.leave();
		viewer.connection = undefined;
		if (how === 'left' || how === 'silent') {
			this.#remove(viewer, how);
		} else {
			viewer.leaseUntilMs = this.#deps.clock.monotonicMs() + LINGER_MS;
		}
	}

	// Closes the socket of a viewer who has a new one, or who leaves.
	#detach(viewer: Viewer, reason: 'replaced' | 'serverStopping'): void {
		const attachment = this.#attachments.get(viewer.id);
		if (attachment !== undefined) {
			this.#attachments.delete(viewer.id);
			attachment.chat.leave();
			attachment.connection.close(reason);
		}
	}

	#remove(viewer: Viewer, how: ConnectionEnd | 'moved' | 'server-stopping'): void {
		if (this.#viewers.delete(viewer.id)) {
			this.#deps.claims.delete(viewer.id);
			this.#controller.leave(viewer.id);
			this.#changed.delete(viewer);
			this.#log(viewer, 'leave', { how, durationMs: Math.round(this.#deps.clock.nowMs() - viewer.joinedAtMs) });
			this.#emptySinceMs = this.#deps.clock.monotonicMs();
			this.#deps.onCountChanged();
			void this.#decideSoon();
		}
	}

	#decideSoon(): Promise<void> {
		if (this.#batch === undefined && this.#viewers.size < BATCHING_FROM_VIEWERS) {
			this.decide();
			return Promise.resolve();
		}
		this.#batch ??= new Promise((resolve) => {
			const unregister = this.#scope.onClose(() => resolve());
			this.#scope.after(this.#deps.clock, BATCH_DELAY_MS, () => {
				unregister();
				this.#batch = undefined;
				this.decide();
				resolve();
			});
		});
		return this.#batch;
	}

	#notify(viewerId: ViewerId, verdict: TierVerdict | undefined): void {
		const viewer = this.#viewers.get(viewerId);
		// Sending may have closed a socket that was too slow, and with it removed the viewer.
		if (viewer === undefined || verdict === undefined) {
			return;
		}
		const from = viewer.decision?.tier ?? null;
		const effect = viewer.decide(verdict);
		const decision = viewer.decision!;
		const { decisionId, tier, reason, isEmergency, waitingPosition } = decision;
		if (effect === 'first' || effect === 'switched') {
			// A viewer who is assigned WebRTC holds a place from now on.
			this.#changed.add(viewer);
		}
		if (effect !== 'none') {
			const level = effect === 'explained' ? 'debug' : 'info';
			const fields = { viewerId, decisionId, from, to: tier, reason, isEmergency, waitingPosition };
			this.#deps.logger[level](fields, 'tier decided for a viewer');
		}
		if (effect === 'first') {
			this.#log(viewer, 'tier', { tier, reason });
		} else if (effect !== 'none') {
			viewer.connection?.send({ type: 'tier', decision });
			if (effect === 'switched') {
				this.#log(viewer, 'switch', { from, to: tier, reason, isEmergency });
			}
		}
	}

	#describe(): ChannelDescription {
		return { ...this.#deps.describe(this.#channel), viewerCount: this.#deps.count().viewerCount };
	}

	#sendToAll(text: string, importance: 'vital' | 'droppable'): void {
		[...this.#attachments.values()].forEach(({ connection }) => connection.sendText(text, importance));
	}

	#log(viewer: Viewer, kind: ViewerEventKind, payload: Record<string, string | number | boolean | null>): void {
		this.#deps.events.write({ viewerId: viewer.id, channelId: this.#channel.id, kind, payload });
	}
}
