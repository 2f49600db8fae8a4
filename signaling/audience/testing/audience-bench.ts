/** Rooms without sockets for tests: fake clock, in-process bus, a budget that tests set, viewers that keep messages. */
import type { ChannelId, ChannelName, ViewerId } from '../../../core/ids.ts';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import type {
	PictureWish,
	ServerMessage,
	TierDecision,
	ViewerPicture,
} from '../../../core/protocol/signaling/signaling-messages.ts';
import type { ShownRung } from '../../../core/protocol/ladder-choice.ts';
import type { SignalingCloseReason } from '../../../core/protocol/signaling/signaling-constants.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { User } from '../../accounts/user.ts';
import { InProcessBus } from '../../platform/bus/in-process-bus.ts';
import type { MessageBus } from '../../platform/bus/message-bus.ts';
import { Announcements } from '../../platform/cluster/announcements.ts';
import type { Channel } from '../../channels/channel-store.ts';
import { ViewerTokens } from '../presence/viewer-token.ts';
import type { JoinMessage, ViewerConnection, ViewerSession } from '../socket/viewer-session.ts';
import type { ViewerCost } from '../tiers/sfu-budget.ts';
import type { SfuBudget, SfuLoad } from '../tiers/tier-input.ts';
import { AudienceRooms } from '../room/audience.ts';
import type { ViewerEvent } from '../room/viewer-event-log.ts';
import { NoChat } from './no-chat.ts';

/** A channel as the database returns it. */
export function testChannel(name: string, changes: Partial<Channel> = {}): Channel {
	return {
		id: `01test${name.padEnd(20, '0')}` as ChannelId,
		name: name as ChannelName,
		title: `Title of ${name}`,
		category: undefined,
		graceWindowSeconds: undefined,
		ladderChoice: undefined,
		policy: { mode: 'automatic', interactiveSeats: null },
		ownerId: undefined,
		ownerName: undefined,
		createdAt: new Date(0),
		...changes,
	};
}

/** The channel as the API describes it. */
export function describeTestChannel(channel: Channel): ChannelDescription {
	return {
		id: channel.id,
		name: channel.name,
		title: channel.title,
		category: null,
		ownerName: null,
		policy: channel.policy,
		state: 'live',
		broadcastId: '01broadcast',
		startedAt: new Date(0).toISOString(),
		viewerCount: null,
		video: null,
		legs: [],
		ladder: null,
		whepUrl: `/whep/${channel.name}`,
		hlsUrl: `/hls/${channel.name}/index.m3u8`,
		stillUrl: null,
		storyboardUrl: null,
	};
}

/** The first message of a player in the demo channel. */
export function joinMessage(changes: Partial<JoinMessage> = {}): JoinMessage {
	return {
		type: 'join',
		protocol: 1,
		channel: 'demo',
		canWebRtc: true,
		canHls: true,
		isPinnedToHls: false,
		...changes,
	};
}

/** The player's end of a connection; keeps what the player receives. */
export class FakeConnection implements ViewerConnection {
	readonly remoteAddress: string;
	readonly user: User | undefined;
	readonly received: ServerMessage[] = [];
	closedWith: SignalingCloseReason | undefined;
	session: ViewerSession | undefined;

	constructor(user: User | undefined, remoteAddress: string) {
		this.remoteAddress = remoteAddress;
		this.user = user;
	}

	get isOpen(): boolean {
		return this.closedWith === undefined;
	}

	send(message: ServerMessage): void {
		this.sendText(JSON.stringify(message));
	}

	sendText(text: string): void {
		if (this.isOpen) {
			this.received.push(JSON.parse(text) as ServerMessage);
		}
	}

	close(reason: SignalingCloseReason): void {
		if (this.isOpen) {
			this.closedWith = reason;
			this.session?.end('closed');
		}
	}

	of<Type extends ServerMessage['type']>(type: Type): Extract<ServerMessage, { type: Type }>[] {
		return this.received.filter((message) => message.type === type) as Extract<ServerMessage, { type: Type }>[];
	}

	get joined(): Extract<ServerMessage, { type: 'joined' }> {
		return this.of('joined').at(-1)!;
	}

	/** The newest decision, from `tier` or `joined`. */
	get decision(): TierDecision {
		return this.of('tier').at(-1)?.decision ?? this.joined.decision;
	}
}

/** Close rooms and bus at the end. */
export class AudienceBench {
	readonly clock: FakeClock;
	readonly logger = new RecordingLogger();
	readonly bus: MessageBus;
	readonly chat = new NoChat();
	readonly events: ViewerEvent[] = [];
	readonly channels = new Map<string, Channel>();
	readonly tokens: ViewerTokens;
	readonly rooms: AudienceRooms;
	/** Consumers for 100 viewers unless a test sets another budget. */
	budget: SfuBudget = { maxConsumers: 200, maxBitrateBps: 1e12, maxWorkerCpu: 1 };
	load: SfuLoad = { workerCpu: 0 };
	cost: ViewerCost = { consumersPerViewer: 2, bitrateBps: 1_000_000, soundBps: 100_000 };
	isDatabaseLost = false;
	readonly stoppedPictures: Array<string | undefined> = [];
	/** Whose transports expect a poor line. */
	readonly poorLines: Array<string | undefined> = [];
	readonly wishes: PictureWish[] = [];
	/** The best picture that the server had room for, by viewer. */
	readonly ceilings = new Map<string | undefined, ShownRung | undefined>();
	/** Of the newest transport. */
	changePicture: (picture: ViewerPicture) => void = () => undefined;
	findLineTooPoor: () => void = () => undefined;

	constructor(shared: { clock?: FakeClock; bus?: MessageBus; nodeId?: string } = {}) {
		this.clock = shared.clock ?? new FakeClock();
		this.bus = shared.bus ?? new InProcessBus({ clock: this.clock, logger: this.logger });
		this.channels.set('demo', testChannel('demo'));
		this.channels.set('other', testChannel('other'));
		this.tokens = new ViewerTokens({ clock: this.clock }, { serverSecret: new Uint8Array(32) });
		const nodeId = shared.nodeId ?? 'one';
		this.rooms = new AudienceRooms({
			clock: this.clock,
			logger: this.logger,
			bus: this.bus,
			announcements: new Announcements({ nodeId, bus: this.bus, clock: this.clock, logger: this.logger }),
			nodeId,
			channels: { findByName: async (name) => this.#find(name) },
			chat: this.chat,
			events: { write: (event) => void this.events.push(event) },
			tokens: this.tokens,
			sfu: { budget: () => this.budget, load: () => this.load },
			describe: describeTestChannel,
			costOf: () => this.cost,
		});
		this.rooms.start();
	}

	async join(changes: Partial<JoinMessage> = {}, user?: User, remoteAddress = '192.0.2.1'): Promise<FakeConnection> {
		const connection = new FakeConnection(user, remoteAddress);
		const joining = this.rooms.join(connection, joinMessage(changes));
		// Decisions of several joins may be batched, a little later.
		await this.clock.advance(25);
		connection.session = await joining;
		return connection;
	}

	/** The returned function closes the transport. */
	openTransport(viewerId: string | undefined, channelName = 'demo'): (reason?: string) => void {
		let close: ((reason: string) => void) | undefined;
		this.rooms.addTransport({
			channelName: channelName as ChannelName,
			viewerId: viewerId as ViewerId | undefined,
			onClosed: (listener) => (close = listener),
			stopPicture: () => this.stoppedPictures.push(viewerId),
			wish: (wish) => void this.wishes.push(wish),
			expectPoorLine: () => this.poorLines.push(viewerId),
			limitBySeats: (name) => void this.ceilings.set(viewerId, name),
			onPicture: (listener) => (this.changePicture = listener),
			onLineTooPoor: (listener) => (this.findLineTooPoor = listener),
		});
		return (reason = 'deleted') => close!(reason);
	}

	/** Viewers of the demo channel, over all servers. */
	get count(): number {
		return this.rooms.viewerCount('demo');
	}

	#find(name: string): Channel | undefined {
		if (this.isDatabaseLost) {
			throw new SpillwayError('DATABASE_UNAVAILABLE');
		}
		return this.channels.get(name);
	}
}
