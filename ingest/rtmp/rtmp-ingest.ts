/** Attaches the RTMP server's publishers to their channels' broadcasts. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { PublisherId, StreamKey } from '../../core/ids.ts';
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRegistry, PublishAuthorizer, PublishPermission } from '../broadcast/broadcast-registry.ts';
import type { Publisher, PublisherEndReason, PublisherEvents, TrackProblem } from '../publisher/publisher.ts';
import type { RtmpMediaUnit } from './flv-demuxer.ts';
import type { RtmpPublisher } from './rtmp-publisher.ts';
import { RtmpServer, type RtmpAuthorizer, type RtmpServerConfig } from './rtmp-server.ts';

/** Units kept while the broadcast is being opened, which takes some ten milliseconds. */
const MAX_EARLY_EVENTS = 500;

/** Creates the RTMP server; listen() starts it. */
export function createRtmpIngest(
	deps: {
		clock: Clock;
		logger: Logger;
		authorizer: PublishAuthorizer & Pick<RtmpAuthorizer<PublishPermission>, 'isKnownAddress'>;
		registry: Pick<BroadcastRegistry, 'open' | 'checkAdmission'>;
	},
	config: RtmpServerConfig,
): RtmpServer<PublishPermission> {
	const { logger, registry } = deps;
	const authorizer = {
		// Once publishing has begun, RTMP has no answer for "not now" that encoders understand.
		authorize: async (streamKeys: readonly StreamKey[], remoteAddress: string): Promise<PublishPermission> => {
			const permission = await deps.authorizer.authorize(streamKeys, remoteAddress);
			registry.checkAdmission(permission);
			return permission;
		},
		isKnownAddress: (remoteAddress: string) => deps.authorizer.isKnownAddress(remoteAddress),
	};
	const server = new RtmpServer<PublishPermission>({ ...deps, authorizer }, config);
	server.on('publisherStarted', (rtmpPublisher, permission) => {
		const publisher = new RtmpSource(rtmpPublisher, logger);
		registry.open(permission).then(
			(broadcast) => {
				broadcast.attach(publisher, permission.streamKeyId);
				publisher.release();
			},
			(error: unknown) => {
				const { channelName } = permission;
				logger.warn({ channel: channelName, reason: errorMessage(error) }, 'an RTMP publisher cannot be taken now');
				void publisher.close('timed-out');
			},
		);
	});
	return server;
}

/** An RTMP publisher as a {@link Publisher}. */
class RtmpSource extends TypedEmitter<PublisherEvents> implements Publisher {
	readonly id: PublisherId;
	readonly protocol = 'rtmp';
	readonly remoteAddress: string;
	readonly announcedKinds = undefined;
	readonly hasCommonTimeline = true;
	readonly #publisher: RtmpPublisher;
	readonly #scope: CloseScope<PublisherEndReason>;
	#early: (() => void)[] | undefined = [];

	constructor(publisher: RtmpPublisher, logger: Logger) {
		super(logger);
		this.id = publisher.id;
		this.remoteAddress = publisher.remoteAddress;
		this.#publisher = publisher;
		this.#scope = new CloseScope(logger);
		const { signal } = this.#scope;
		publisher.on('trackConfigured', (config) => this.#pass(() => this.emit('trackConfigured', config)), { signal });
		publisher.on('mediaUnit', (unit) => this.#pass(() => this.#emitUnit(unit)), { signal });
		// Beyond the limit as well: a publisher whose end is dropped stays on air without end.
		publisher.on('closed', (reason) => this.#pass(() => void this.#scope.close(reason), { isLast: true }));
		this.#scope.onClose(async (reason) => {
			await publisher.close(reason);
			this.emit('closed', reason);
		});
	}

	get encoderName(): string | undefined {
		return this.#publisher.encoderName;
	}

	get describedKinds(): readonly TrackKind[] {
		return this.#publisher.describedKinds;
	}

	get problems(): readonly TrackProblem[] {
		return this.#publisher.problems;
	}

	/** The listeners are attached: emits the early events. */
	release(): void {
		const early = this.#early ?? [];
		this.#early = undefined;
		for (const emit of early) {
			emit();
		}
	}

	requestKeyFrame(): boolean {
		return false;
	}

	close(reason: PublisherEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#pass(emit: () => void, { isLast = false } = {}): void {
		if (this.#early === undefined) {
			emit();
		} else if (isLast || this.#early.length < MAX_EARLY_EVENTS) {
			this.#early.push(emit);
		}
	}

	#emitUnit({ compositionOffsetMs, ...unit }: RtmpMediaUnit): void {
		this.emit('unit', {
			...unit,
			presentationTimeMs: unit.decodeTimeMs + compositionOffsetMs,
			rtpTicks: undefined,
		});
	}
}
