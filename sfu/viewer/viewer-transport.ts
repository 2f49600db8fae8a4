/** One viewer's WebRTC transport with its two Consumers, from offer to the live layer. */
import type { Consumer, WebRtcTransport } from 'mediasoup/types';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { ViewerId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRouter, ViewerRouter } from '../broadcast/broadcast-router.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import {
	answerViewerMedia,
	negotiateWhep,
	viewerCapabilities,
	type NegotiatedViewer,
} from '../sdp/whep-negotiation.ts';
import { remoteDtlsParameters } from '../sdp/bundle.ts';
import { writeSdpAnswer } from '../sdp/sdp-answer.ts';
import type { SdpOffer } from '../sdp/sdp-offer.ts';
import type { VideoStageTrack } from '../stage/video-stage-track.ts';

/** Why a viewer's transport ended. */
export type ViewerEndReason =
	| 'deleted'
	| 'connect-timed-out'
	/** It had not connected, and its place was needed for somebody else. */
	| 'displaced'
	/** It connected when all places had been taken. */
	| 'no-room'
	| 'ice-failed'
	| 'dtls-failed'
	| 'broadcast-ended'
	| 'worker-died'
	| 'server-shutdown';

/** Events of a viewer's transport. */
export type ViewerTransportEvents = {
	/** DTLS is up and media flows. */
	connected: [];
	/** Once. */
	closed: [reason: ViewerEndReason];
};

/** A viewer that has not connected by then will not; browsers give up after about as long. */
const CONNECT_TIMEOUT_MS = 15_000;
/** Seconds without a consent check (RFC 7675) after which a viewer is taken for gone. Its default of 30 keeps the dead. */
const ICE_CONSENT_TIMEOUT_SECONDS = 12;

/** One viewer in the WebRTC tier. */
export class ViewerTransport extends TypedEmitter<ViewerTransportEvents> {
	readonly id: ViewerId;
	readonly answer: string;
	readonly #broadcastRouter: BroadcastRouter;
	readonly #transport: WebRtcTransport;
	readonly #video: Consumer | undefined;
	readonly #audio: Consumer | undefined;
	readonly #logger: Logger;
	readonly #scope: CloseScope<ViewerEndReason>;
	#isConnected = false;
	#isPictureStopped = false;

	/** Answers the offer; throws SDP_OFFER_UNSUPPORTED or SFU_UNAVAILABLE. */
	static async create(
		id: ViewerId,
		broadcastRouter: BroadcastRouter,
		offer: SdpOffer,
		options: { preferredAddress: string | undefined },
		dependencies: { clock: Clock; logger: Logger },
	): Promise<ViewerTransport> {
		const viewer = negotiateWhep(offer, DEFAULT_PAYLOAD_TYPES);
		const viewerRouter = await broadcastRouter.acquireViewerRouter(viewer.payloadTypes);
		let transport: WebRtcTransport | undefined;
		try {
			transport = await viewerRouter.router.createWebRtcTransport({
				webRtcServer: viewerRouter.pooledWorker.webRtcServer,
				enableUdp: true,
				enableTcp: true,
				preferUdp: true,
				iceConsentTimeout: ICE_CONSENT_TIMEOUT_SECONDS,
			});
			await transport.connect({ dtlsParameters: remoteDtlsParameters(viewer.transport) });
			const consumers = await createConsumers(transport, viewer, viewerRouter);
			const media = (['video', 'audio'] as const).flatMap((kind) => {
				const [section, consumer] = [viewer[kind], consumers[kind]];
				return section === undefined || consumer === undefined
					? []
					: [answerViewerMedia(section, consumer, broadcastRouter.broadcastId)];
			});
			const answer = writeSdpAnswer(transport, { offer, transport: viewer.transport, media }, options.preferredAddress);
			return new ViewerTransport({
				id,
				answer,
				broadcastRouter,
				viewerRouter,
				transport,
				...consumers,
				...dependencies,
			});
		} catch (error) {
			transport?.close();
			broadcastRouter.releaseViewerRouter(viewerRouter);
			throw error;
		}
	}

	private constructor(parts: {
		id: ViewerId;
		answer: string;
		broadcastRouter: BroadcastRouter;
		viewerRouter: ViewerRouter;
		transport: WebRtcTransport;
		video: Consumer | undefined;
		audio: Consumer | undefined;
		clock: Clock;
		logger: Logger;
	}) {
		super(parts.logger);
		this.id = parts.id;
		this.answer = parts.answer;
		this.#broadcastRouter = parts.broadcastRouter;
		this.#transport = parts.transport;
		this.#video = parts.video;
		this.#audio = parts.audio;
		this.#logger = parts.logger;
		this.#scope = new CloseScope(parts.logger);
		const cancelTimeout = parts.clock.setTimeout(() => void this.close('connect-timed-out'), CONNECT_TIMEOUT_MS);
		this.#scope.onClose((reason) => {
			cancelTimeout();
			this.#transport.close();
			parts.broadcastRouter.releaseViewerRouter(parts.viewerRouter);
			this.emit('closed', reason);
		});
		this.#scope.onClose(parts.broadcastRouter.on('closed', (reason) => void this.close(reason)));
		this.#transport.observer.once('close', () => void this.close('worker-died'));
		this.#transport.on('icestatechange', (state) => {
			if (state === 'disconnected') {
				void this.close('ice-failed');
			}
		});
		this.#transport.on('dtlsstatechange', (state) => {
			if (state === 'connected') {
				cancelTimeout();
				this.#onConnected();
			} else if (state === 'failed' || state === 'closed') {
				void this.close(state === 'closed' ? 'deleted' : 'dtls-failed');
			}
		});
	}

	/** True once media flows. */
	get isConnected(): boolean {
		return this.#isConnected;
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	/** mediasoup's own statistics of what this viewer is sent. */
	async statistics(): Promise<unknown[]> {
		const reports = await Promise.all([this.#video?.getStats(), this.#audio?.getStats()]);
		return reports.flatMap((report) => report ?? []);
	}

	/** Sends no more pictures, and no resends of them, down a line that does not carry them; the sound goes on. For good. */
	stopPicture(): void {
		if (!this.#isPictureStopped && this.#video !== undefined && !this.#scope.closed) {
			this.#isPictureStopped = true;
			this.#pausePicture(this.#video);
		}
	}

	/** Ends it. */
	close(reason: ViewerEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#onConnected(): void {
		if (this.#isConnected || this.#scope.closed) {
			return;
		}
		this.#isConnected = true;
		this.emit('connected');
		this.#begin().catch((error: unknown) => {
			// The transport closed meanwhile, or the worker died; either has its own event.
			this.#logger.debug({ reason: errorMessage(error) }, 'a viewer left while joining');
		});
	}

	// The Consumers were made paused: what is sent before DTLS is up would be lost, the burst above all.
	async #begin(): Promise<void> {
		const picture = this.#video === undefined ? undefined : this.#beginPicture(this.#video);
		await Promise.all([picture, this.#audio?.resume()]);
	}

	async #beginPicture(video: Consumer): Promise<void> {
		this.#scope.onClose(await beginPicture(video, this.#broadcastRouter.stage.video, this.#logger));
		if (this.#isPictureStopped) {
			// Stopped while it began, and resumed by that.
			this.#pausePicture(video);
		}
	}

	#pausePicture(video: Consumer): void {
		video
			.pause()
			.catch((error: unknown) => this.#logger.debug({ reason: errorMessage(error) }, 'a viewer left meanwhile'));
	}
}

/**
 * Starts a paused Consumer of the stage's picture where a newcomer gets one at once, and moves it to the live layer later.
 * Returns the function to be called when the viewer leaves.
 */
export async function beginPicture(video: Consumer, stageVideo: VideoStageTrack, logger: Logger): Promise<() => void> {
	const { liveSpatialLayer } = stageVideo;
	let isMovingOn = false;
	const moveOn = (): void => {
		if (!isMovingOn) {
			isMovingOn = true;
			video
				.setPreferredLayers({ spatialLayer: liveSpatialLayer })
				.catch((error: unknown) => logger.debug({ reason: errorMessage(error) }, 'a viewer left while joining'));
		}
	};
	const { spatialLayer, ready, finished } = stageVideo.join(moveOn);
	// mediasoup changes layers at a key frame: to the join layer at the burst's, and from there to the live layer at the next
	// one, or at a later one where a new pipe has yet to learn of the live layer. The join layer has to be fed until then.
	video.on('layerschange', (layers) => {
		if (layers?.spatialLayer === liveSpatialLayer) {
			finished();
		} else if (layers?.spatialLayer === spatialLayer) {
			moveOn();
		}
	});
	try {
		await video.setPreferredLayers({ spatialLayer });
		await video.resume();
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
	viewerRouter: ViewerRouter,
): Promise<{ video: Consumer | undefined; audio: Consumer | undefined }> {
	const rtpCapabilities = viewerCapabilities(viewer, viewerRouter.router.rtpCapabilities.headerExtensions ?? []);
	const consume = (producerId: string, mid: string | undefined): Promise<Consumer> =>
		// Without RTX among the viewer's codecs this means: lost packets are sent again as they were. mediasoup takes "false" for
		// no retransmission at all, whatever the answer says of NACK.
		transport.consume({
			producerId,
			rtpCapabilities,
			...(mid === undefined ? {} : { mid }),
			paused: true,
			enableRtx: true,
		});
	return {
		video:
			viewer.video === undefined ? undefined : await consume(viewerRouter.videoProducer.id, viewer.video.media.mid),
		audio:
			viewer.audio === undefined ? undefined : await consume(viewerRouter.audioProducer.id, viewer.audio.media.mid),
	};
}
