/** One viewer's WebRTC transport with its two Consumers, from offer to the live layer. */
import type { Consumer, Producer, WebRtcTransport } from 'mediasoup/types';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { ViewerId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { ShownRung } from '../../core/protocol/ladder-choice.ts';
import type { PictureWish, ViewerPicture } from '../../core/protocol/signaling/signaling-messages.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRouter, ViewerRouter } from '../broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import {
	answerViewerMedia,
	negotiateWhep,
	viewerCapabilities,
	type NegotiatedViewer,
	type NegotiatedViewerMedia,
} from '../sdp/whep-negotiation.ts';
import { writeSdpAnswer } from '../sdp/sdp-answer.ts';
import type { SdpOffer } from '../sdp/sdp-offer.ts';
import { openWebRtcTransport, watchWebRtcTransport } from '../workers/webrtc-transport.ts';
import type { VideoStageTrack } from '../stage/video-stage-track.ts';
import { ViewerBandwidth } from './bandwidth.ts';
import { LayerSelector, type SelectorAction } from './layer-selector.ts';

type ViewerEndReason =
	| 'deleted'
	| 'connect-timed-out'
	/** It had not connected, and another viewer needed its place. */
	| 'displaced'
	/** It connected when all places had been taken. */
	| 'no-room'
	| 'ice-failed'
	| 'dtls-failed'
	| 'broadcast-ended'
	| 'worker-died'
	| 'server-shutdown';

type ViewerTransportEvents = {
	/** DTLS is up and media flows. */
	connected: [];
	/** The layers, the one that is shown, or why it is not the best, may have changed. */
	pictureChanged: [];
	/** The line does not carry the lowest layer. A listener that moves the viewer elsewhere stops the picture at once. */
	lineTooPoor: [];
	/** Once. */
	closed: [reason: ViewerEndReason];
};

/** mediasoup's first estimate, once it estimates: the two lowest rungs. */
const FIRST_ESTIMATE = { initialAvailableOutgoingBitrate: 900_000 };
/** A viewer that has not connected by then never does; browsers give up after about as long. */
const CONNECT_TIMEOUT_MS = 15_000;

type ViewerMedia = { video: Consumer | undefined; audio: Consumer | undefined };
type ViewerDependencies = { broadcastRouter: BroadcastRouter; clock: Clock; logger: Logger };
type OpenTransport = ViewerMedia & { viewer: NegotiatedViewer; viewerRouter: ViewerRouter; transport: WebRtcTransport };

export class ViewerTransport extends TypedEmitter<ViewerTransportEvents> {
	readonly id: ViewerId;
	readonly answer: string;
	readonly #deps: ViewerDependencies & OpenTransport;
	readonly #selector: LayerSelector;
	readonly #bandwidth: ViewerBandwidth | undefined;
	#picture = '';
	readonly #scope: CloseScope<ViewerEndReason>;
	#isConnected = false;
	#hasBegunPicture = false;
	/** Ends what a newcomer needs until they are on a live layer. */
	#endJoin: (() => void) | undefined;
	#isPictureStopped = false;

	/** Answers the offer; throws SDP_OFFER_UNSUPPORTED or SFU_UNAVAILABLE. */
	static async create(
		deps: ViewerDependencies,
		{ id, offer, preferredAddress }: { id: ViewerId; offer: SdpOffer; preferredAddress: string | undefined },
	): Promise<ViewerTransport> {
		const { broadcastRouter } = deps;
		const viewer = negotiateWhep(offer, {
			defaults: DEFAULT_PAYLOAD_TYPES,
			hasChoice: broadcastRouter.mayHaveRungs,
		});
		const viewerRouter = await broadcastRouter.acquireViewerRouter(viewer.payloadTypes);
		let transport: WebRtcTransport | undefined;
		try {
			const { router, pooledWorker } = viewerRouter;
			transport = await openWebRtcTransport(router, pooledWorker.webRtcServer, viewer.transport, FIRST_ESTIMATE);
			const consumers = await createConsumers(transport, viewer, viewerRouter, broadcastRouter);
			// The broadcast's id names the streams: by it a player knows which broadcast it has reached.
			const media = (['video', 'audio'] as const).flatMap((kind) => {
				const [section, consumer] = [viewer[kind], consumers[kind]];
				return section === undefined || consumer === undefined
					? []
					: [answerViewerMedia(section, consumer, broadcastRouter.broadcastId)];
			});
			const answer = writeSdpAnswer(transport, { offer, transport: viewer.transport, media }, preferredAddress);
			return new ViewerTransport({ ...deps, ...consumers, viewer, viewerRouter, transport }, { id, answer });
		} catch (error) {
			transport?.close();
			broadcastRouter.releaseViewerRouter(viewerRouter);
			throw error;
		}
	}

	private constructor(deps: ViewerDependencies & OpenTransport, { id, answer }: { id: ViewerId; answer: string }) {
		super(deps.logger);
		this.#deps = deps;
		this.id = id;
		this.answer = answer;
		const { broadcastRouter, viewerRouter, transport, clock, logger } = deps;
		const { layers } = broadcastRouter.stage.video;
		this.#selector = new LayerSelector(layers.onAir, deps.viewer);
		this.#bandwidth = this.#watchLine();
		this.#scope = new CloseScope(logger);
		this.#scope.onClose((reason) => {
			transport.close();
			broadcastRouter.releaseViewerRouter(viewerRouter);
			this.emit('closed', reason);
		});
		const cancelTimeout = this.#scope.after(clock, CONNECT_TIMEOUT_MS, () => void this.close('connect-timed-out'));
		this.#scope.onClose(broadcastRouter.on('closed', (reason) => void this.close(reason)));
		this.#scope.onClose(() => void this.#bandwidth?.close());
		this.#scope.onClose(
			layers.on('changed', () => this.#steer((nowMs) => this.#selector.layersChanged(nowMs, layers.onAir))),
		);
		watchWebRtcTransport(transport, 'deleted', {
			connected: () => {
				cancelTimeout();
				this.#onConnected();
			},
			ended: (reason) => void this.close(reason),
		});
	}

	/** True once media flows. */
	get isConnected(): boolean {
		return this.#isConnected;
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	/** mediasoup's own statistics of what is sent to this viewer. */
	async statistics(): Promise<unknown[]> {
		const reports = await Promise.all([this.#deps.video?.getStats(), this.#deps.audio?.getStats()]);
		return reports.flatMap((report) => report ?? []);
	}

	/** Undefined for a viewer of the sound alone. */
	get picture(): ViewerPicture | undefined {
		const { shownLayer, limitedBy } = this.#selector;
		if (this.#deps.video === undefined) {
			return undefined;
		}
		const { onAir } = this.#deps.broadcastRouter.stage.video.layers;
		const rungs = onAir.map(({ name: rung, widthPixels, heightPixels, frameRate }) => {
			return { rung, widthPixels, heightPixels, frameRate };
		});
		return { rungs, shown: shownLayer?.name ?? null, limitedBy };
	}

	/** The viewer's own choice, and the size of the picture on their screen. */
	wish({ rung, heightPixels }: PictureWish): void {
		this.#steer((nowMs) => [
			...this.#selector.choose(nowMs, rung),
			...this.#selector.showOnScreen(nowMs, heightPixels),
		]);
		if (this.#selector.isSoundAlone) {
			this.#endJoin?.();
		} else if (this.#isConnected) {
			this.#begin(() => this.#beginPicture());
		}
	}

	/** Before their first picture: their line has carried none before. */
	expectPoorLine(): void {
		this.#selector.expectPoorLine();
	}

	/** The best picture that the server has room for; undefined: any. */
	limitBySeats(name: ShownRung | undefined): void {
		this.#steer((nowMs) => this.#selector.limitBySeats(nowMs, name));
	}

	/** Ends pictures and their resends for good, on a line that does not carry them; the sound continues. */
	stopPicture(): void {
		if (!this.#isPictureStopped && !this.#scope.closed) {
			this.#isPictureStopped = true;
			this.#bandwidth?.stop();
		}
	}

	close(reason: ViewerEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#onConnected(): void {
		if (this.#isConnected || this.#scope.closed) {
			return;
		}
		this.#isConnected = true;
		this.emit('connected');
		this.#begin(async () => {
			await Promise.all([this.#beginPicture(), this.#deps.audio?.resume()]);
		});
	}

	// The Consumers were created paused: what is sent before DTLS is up is lost, the burst above all.
	#begin(begin: () => Promise<void>): void {
		begin().catch((error: unknown) => {
			// The transport closed meanwhile, or the worker died; either has its own event.
			this.#deps.logger.debug({ reason: errorMessage(error) }, 'a viewer left while joining');
		});
	}

	/** Once, with the first picture that the viewer wants. */
	async #beginPicture(): Promise<void> {
		const { video, broadcastRouter, clock, logger } = this.#deps;
		const selector = this.#selector;
		if (
			video === undefined ||
			this.#hasBegunPicture ||
			selector.isSoundAlone ||
			this.#isPictureStopped ||
			this.#scope.closed
		) {
			return;
		}
		this.#hasBegunPicture = true;
		const { firstLayer } = selector;
		const begun = selector.begin(clock.monotonicMs(), firstLayer);
		video.on('layerschange', (layers) => {
			const actions = selector.shown(clock.monotonicMs(), layers?.spatialLayer);
			this.#bandwidth?.apply(actions);
			this.#reportPicture();
		});
		const layer = { first: firstLayer, wanted: () => selector.wantedLayer };
		const endJoin = await beginPicture(video, broadcastRouter.stage.video, logger, layer);
		this.#endJoin = endJoin;
		this.#scope.onClose(endJoin);
		this.#bandwidth?.start();
		this.#bandwidth?.apply(begun);
		// Stopped, or not wanted any more, while it began, which resumed it.
		if (this.#isPictureStopped || selector.isSoundAlone) {
			endJoin();
			await video.pause();
		}
	}

	#watchLine(): ViewerBandwidth | undefined {
		const { video, transport, clock, logger, broadcastRouter } = this.#deps;
		return video === undefined
			? undefined
			: new ViewerBandwidth({
					video,
					transport,
					clock,
					logger,
					selector: this.#selector,
					layers: () => broadcastRouter.stage.video.layers.onAir,
					startEstimator: () => this.#startEstimator(video),
					onChanged: () => this.#reportPicture(),
					onLineTooPoor: () => {
						this.emit('lineTooPoor');
						return this.#isPictureStopped;
					},
				});
	}

	/** mediasoup begins with a Consumer that has the feedback for it, and does not end with it. */
	async #startEstimator(video: Consumer): Promise<void> {
		const { transport, viewer, viewerRouter } = this.#deps;
		const extensions = viewerRouter.router.rtpCapabilities.headerExtensions ?? [];
		const dummy = await transport.consume({
			producerId: video.producerId,
			rtpCapabilities: viewerCapabilities(viewer, extensions, true),
			paused: true,
			enableRtx: true,
		});
		dummy.close();
	}

	#steer(decide: (nowMs: number) => SelectorAction[]): void {
		if (!this.#scope.closed && !this.#isPictureStopped) {
			this.#bandwidth?.apply(decide(this.#deps.clock.monotonicMs()));
			this.#reportPicture();
		}
	}

	#reportPicture(): void {
		const picture = JSON.stringify(this.picture);
		if (picture !== this.#picture && !this.#scope.closed) {
			this.#picture = picture;
			this.emit('pictureChanged');
		}
	}
}

/** Where a newcomer begins, and where they go from there. */
type LayerChoice = {
	/** Spatial layer whose newest GOP they get. */
	first: number;
	/** Spatial layer to stay on; it may change. */
	wanted: () => number;
};

/**
 * Starts a paused Consumer of the stage's picture where a newcomer gets one at once, and moves it to a live layer
 * later. Returns the function to call when the viewer leaves.
 * @internal for tests
 */
export async function beginPicture(
	video: Consumer,
	stageVideo: VideoStageTrack,
	logger: Logger,
	{ first, wanted }: LayerChoice = {
		first: stageVideo.liveSpatialLayer,
		wanted: () => stageVideo.liveSpatialLayer,
	},
): Promise<() => void> {
	const { source } = stageVideo.layers;
	const burstLayer = stageVideo.layers.find(first) ?? source;
	const isLive = (spatialLayer: number): boolean => spatialLayer <= source.spatialLayer;
	let isOnLive = false;
	const prefer = async (spatialLayer: number): Promise<void> => {
		try {
			await video.setPreferredLayers({ spatialLayer });
		} catch (error) {
			logger.debug({ reason: errorMessage(error) }, 'a viewer left while joining');
		}
	};
	// A viewer whose line has shown trouble meanwhile is on a live layer already, where they stay.
	const { spatialLayer, ready, onLayer, finished } = stageVideo.join(async (layer) => {
		if (!isOnLive) {
			await prefer(isLive(layer) ? wanted() : layer);
		}
	}, burstLayer);
	// mediasoup changes layers at a key frame, or at a switch point. It changes to the join layer at the burst's key
	// frame. Where a new pipe does not know the next layer yet, it takes a later one. The join layer is needed until
	// then.
	video.on('layerschange', (layers) => {
		const shown = layers?.spatialLayer;
		if (shown === undefined || !isLive(shown)) {
			onLayer(shown);
			return;
		}
		const isFirst = !isOnLive;
		isOnLive = true;
		onLayer(burstLayer.spatialLayer);
		// They began on a live layer, because its next key frame was near.
		if (isFirst && shown !== wanted()) {
			void prefer(wanted());
		}
	});
	try {
		await Promise.all([video.setPreferredLayers({ spatialLayer }), video.resume()]);
		ready();
	} catch (error) {
		finished();
		throw error;
	}
	return finished;
}

async function createConsumers(
	transport: WebRtcTransport,
	viewer: NegotiatedViewer,
	{ router, producers }: ViewerRouter,
	{ stage }: BroadcastRouter,
): Promise<ViewerMedia> {
	const rtpCapabilities = viewerCapabilities(viewer, router.rtpCapabilities.headerExtensions ?? []);
	const consume = async (
		producer: Producer,
		section: NegotiatedViewerMedia | undefined,
	): Promise<Consumer | undefined> => {
		if (section === undefined) {
			return undefined;
		}
		const { mid } = section.media;
		return transport.consume({
			producerId: producers.get(producer)!.id,
			rtpCapabilities,
			...(mid === undefined ? {} : { mid }),
			paused: true,
			// Without RTX among the viewer's codecs this means that lost packets are sent again as they were. With "false"
			// mediasoup resends nothing, even if the answer has NACK.
			enableRtx: true,
		});
	};
	const video = await consume(stage.videoProducer, viewer.video);
	return { video, audio: await consume(stage.audioProducer, viewer.audio) };
}
