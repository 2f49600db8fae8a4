/** The viewers of one channel on this node: who is here, who watches in which tier, and who hears what. */
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
import { StatisticsLog } from './statistics-log.ts';
import { ViewerChat } from './viewer-chat.ts';
import type { ViewerEventKind, ViewerEventSink } from './viewer-event-log.ts';
import { Viewer } from './viewer.ts';
import type { WebRtcClaims } from './webrtc-claims.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

/** Without any sign of life a viewer is counted this long (design: ping 6 s, lease 12 s). */
const VIEWER_LEASE_MS = 2 * PING_INTERVAL_MS;
/** A viewer whose socket was cut is counted this long: who comes again within it was never away. */
const LINGER_MS = 6000;
/** With so many viewers decisions of several joins are made together; below, each at once. */
const BATCHING_FROM_VIEWERS = 50;
/** How long a join waits for others to be decided with. */
const BATCH_DELAY_MS = 20;
/** The number of viewers is told this often at most. */
const PRESENCE_INTERVAL_MS = 2000;

/** What a room is given by the audience, which owns it. */
type ChannelAudienceDependencies = {
	channel: Channel;
	chatRoom: ChatRoom;
	clock: Clock;
	logger: Logger;
	tokens: ViewerTokens;
	events: ViewerEventSink;
	describe(channel: Channel): ChannelDescription;
	/** Budget, load and what others hold, now. */
	conditions(): TierConditions;
	hasTransport(viewerId: ViewerId): boolean;
	/** Of all channels. */
	claims: WebRtcClaims;
	stopPictures(viewerId: ViewerId): void;
	count(): PresenceCount;
	/** The number of viewers here changed. */
	onCountChanged(): void;
	/** A viewer came by a token who was not here: another node may still count them. */
	onReturned(viewerId: ViewerId): void;
};

/** Attached to a viewer while their socket lives. */
type Attachment = { connection: ViewerConnection; chat: ViewerChat };

/** One channel's room. */
export class ChannelAudience {
	readonly #deps: ChannelAudienceDependencies;
	readonly #scope: CloseScope<'empty' | 'server-shutdown'>;
	readonly #viewers = new Map<ViewerId, Viewer>();
	readonly #attachments = new Map<ViewerId, Attachment>();
	readonly #statisticsLog: StatisticsLog;
	readonly #controller = new TierController();
	/** Viewers who may be different since the last decision. Time and transports are looked at once a second. */
	readonly #changed = new Set<Viewer>();
	#channel: Channel;
	#batch: Promise<void> | undefined;
	#describedAs = '';
	#toldCount = -1;
	#toldCountAtMs = -Infinity;
	#emptySinceMs: number;
	#isClosing = false;

	constructor(deps: ChannelAudienceDependencies) {
		this.#deps = deps;
		this.#statisticsLog = new StatisticsLog(deps.clock);
		this.#channel = deps.channel;
		this.#scope = new CloseScope(deps.logger);
		this.#emptySinceMs = deps.clock.monotonicMs();
		this.#scope.onClose(() => deps.chatRoom.close());
	}

	get channel(): Channel {
		return this.#channel;
	}

	/** Viewers here, those included who are away for a moment. */
	get viewerCount(): number {
		return this.#viewers.size;
	}

	/** Viewers who hold a WebRTC transport or were told to open one and are about to, as of the last decision. */
	get usedCount(): number {
		const { webRtcCount, leavingCount } = this.#controller.counts;
		return webRtcCount + leavingCount - this.#deps.claims.weakCount(this.#channel.name);
	}

	/** How long nobody has been here, ms; 0 with viewers. */
	get emptyForMs(): number {
		return this.#viewers.size > 0 ? 0 : this.#deps.clock.monotonicMs() - this.#emptySinceMs;
	}

	has(viewerId: ViewerId): boolean {
		return this.#viewers.has(viewerId);
	}

	/**
	 * Viewers who say that WebRTC plays though no transport is known to be theirs: players that send no viewer id.
	 * `withWeak`: those too whom `usedCount` leaves out.
	 */
	unclaimedCount(withWeak: boolean): number {
		const { hasTransport, claims } = this.#deps;
		const isUnclaimed = ({ id, playingTier }: Viewer): boolean =>
			playingTier === 'webrtc' && !hasTransport(id) && (withWeak || !claims.isWeak(id, this.#channel.name));
		return [...this.#viewers.values()].filter(isUnclaimed).length;
	}

	/** The channel was changed by its owner. */
	update(channel: Channel): void {
		this.#channel = channel;
		this.#sendDescription();
		this.decide();
	}

	/** Lets a viewer in and sends `joined`. */
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
				// Who no longer keeps order gives up the place that came with it.
				viewer.role = this.#roleOf(connection, canModerate);
				this.#markChanged(viewer);
			},
		});
		const attachment: Attachment = { connection, chat };
		this.#attachments.set(viewer.id, attachment);
		viewer.connection = connection;
		viewer.address = connection.remoteAddress;
		viewer.leaseUntilMs = undefined;
		viewer.take(message);
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
	 * A sign of life from a viewer without a socket, and their next token. Who brings none of ours only gets one: a
	 * single hit counts nobody.
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

	/** The last sign of life from a viewer without a socket. */
	leave(token: string): void {
		const viewerId = this.#deps.tokens.read(token, this.#channel.id);
		const viewer = viewerId === undefined ? undefined : this.#viewers.get(viewerId);
		if (viewer !== undefined && viewer.connection === undefined) {
			this.#remove(viewer, 'left');
		}
	}

	/** They are at another node now. */
	dropMoved(viewerId: ViewerId): void {
		const viewer = this.#viewers.get(viewerId);
		if (viewer !== undefined) {
			this.#detach(viewer, 'replaced');
			this.#remove(viewer, 'moved');
		}
	}

	/** Their last transport is closed. */
	transportClosed(viewerId: ViewerId): void {
		const viewer = this.#viewers.get(viewerId);
		if (viewer !== undefined) {
			viewer.transportClosed();
			this.#changed.add(viewer);
		}
	}

	/** Decides, and notifies those for whom something changed. `lost`: whose SFU worker has just died. */
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
		// Their reason may be another one, or they have not been told since they came again.
		for (const { id } of changed) {
			this.#notify(id, this.#controller.verdictOf(id));
		}
	}

	/** Once a second: leases, decisions, and news for everybody. */
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
		this.#sendDescription();
		this.#sendCount(nowMs);
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

	// A page that was loaded anew plays nothing: it may start anywhere. A claim to WebRTC by one who was told nothing
	// counts only when there is a transport, or anybody could jump the queue.
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
		const isToldWebRtc = decision?.tier === 'webrtc';
		const claimant = { id, address, channelName: this.#channel.name, isToldWebRtc, hasTransport };
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
				void chat.send(message).then((wasSaid) => {
					viewer.lastChatAtMs = wasSaid ? this.#deps.clock.nowMs() : viewer.lastChatAtMs;
					this.#markChanged(viewer);
				});
				return;
			case 'chat-moderate':
				void chat.moderate(message);
				return;
			case 'statistics':
				this.#statisticsLog.take(viewer.id, message, viewer.statistics, (kind, payload) => {
					this.#log(viewer, kind, payload);
				});
				viewer.record(message);
				return;
			default:
				if (message.type === 'tier-failed' && message.cause === 'line-too-poor') {
					this.#deps.stopPictures(viewer.id);
				}
				viewer.record(message);
				this.#markChanged(viewer);
				// A viewer who says what plays frees places or takes none; that can wait for the next second.
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

	// The old socket of a viewer who has a new one, or none any more.
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
			this.#statisticsLog.forget(viewer.id);
			this.#deps.claims.forget(viewer.id);
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
		// A socket that has just overflowed may have taken them away.
		if (viewer === undefined || verdict === undefined) {
			return;
		}
		const from = viewer.decision?.tier ?? null;
		const effect = viewer.decide(verdict);
		const decision = viewer.decision!;
		const { tier, reason, isEmergency } = decision;
		if (effect === 'first' || effect === 'switched') {
			// Who was told WebRTC holds a place from now on.
			this.#changed.add(viewer);
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
		const { viewerCount } = this.#deps.count();
		return { ...this.#deps.describe(this.#channel), viewerCount };
	}

	#sendDescription(): void {
		const channel = this.#describe();
		// The frame rate wavers with every picture, and the count has its own message.
		const { viewerCount: _count, video, ...rest } = channel;
		const lasting = JSON.stringify({ ...rest, video: video === null ? null : { ...video, frameRate: 0 } });
		const isFirst = this.#describedAs === '';
		if (lasting !== this.#describedAs) {
			this.#describedAs = lasting;
			if (!isFirst) {
				this.#sendToAll(JSON.stringify({ type: 'channel', channel }), 'vital');
			}
		}
	}

	#sendCount(nowMs: number): void {
		const { viewerCount } = this.#deps.count();
		if (viewerCount !== this.#toldCount && nowMs - this.#toldCountAtMs >= PRESENCE_INTERVAL_MS) {
			this.#toldCount = viewerCount;
			this.#toldCountAtMs = nowMs;
			this.#sendToAll(JSON.stringify({ type: 'presence', viewerCount }), 'droppable');
		}
	}

	#sendToAll(text: string, importance: 'vital' | 'droppable'): void {
		[...this.#attachments.values()].forEach(({ connection }) => connection.sendText(text, importance));
	}

	#log(viewer: Viewer, kind: ViewerEventKind, payload: Record<string, string | number | boolean | null>): void {
		this.#deps.events.write({ viewerId: viewer.id, channelId: this.#channel.id, kind, payload });
	}
}
