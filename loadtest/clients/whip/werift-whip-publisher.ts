/**
 * Publishes by WHIP as OBS does, with one to four simulcast layers. The offer has no candidates, and every video packet
 * has mid and rid. Delimiter and parameter sets are in their own NAL units. Key-frame requests are ignored, and so are
 * requests for lost packets of the lower layers (https://github.com/obsproject/obs-studio/issues/13161).
 */
import { randomInt } from 'node:crypto';
import { type Extension, RtpHeader } from 'werift';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { splitAnnexB } from '../../../core/media/h264.ts';
import { msToTicks, VIDEO_CLOCK_RATE } from '../../../core/units.ts';
import type { NutStream } from '../../../core/wire/nut/nut-headers.ts';
import { type NutFrame, NutReader } from '../../../core/wire/nut/nut-reader.ts';
import { BenchPicture } from '../../source/bench-picture.ts';
import { EncoderProcess } from '../../source/encoder-process.ts';
import { describeSettings, type EncoderSettings, RAW_INPUT, videoEncoder } from '../../source/encoder-settings.ts';
import { obsNalUnits, obsPayloads } from './obs-packetizer.ts';
import { obsOffer, parseAnswer } from './obs-offer.ts';
import type { Publisher, PublishTarget } from '../../source/publisher.ts';
import { SourceLoop, type SentFrame, type SourceOutput } from '../../source/source-loop.ts';
import { WhipTransport } from './whip-transport.ts';

const AUDIO_PAYLOAD_TYPE = 111;
const VIDEO_PAYLOAD_TYPE = 96;
const OPUS_PACKET_TICKS = 960;
/** Milliseconds that libopus holds: its 20 ms frame and 312 samples of look-ahead. */
const OPUS_DELAY_MS = 26.5;
const REPORT_INTERVAL_MS = 1000;
/** OBS's first report comes half a second to a second after it connects. */
const FIRST_REPORT_AFTER_MS = 750;
/** Height of each layer as a share of the picture's, by the number of layers. */
const LAYER_SHARES: Readonly<Record<number, readonly number[]>> = {
	1: [1],
	2: [1, 0.5],
	3: [1, 2 / 3, 1 / 3],
	4: [1, 0.75, 0.5, 0.25],
};
/** Of pictures of one kind, the bits needed grow with the pixels by this power. */
const BITS_BY_PIXELS_POWER = 0.75;

/** One simulcast layer; the first is the whole picture. */
type Layer = {
	settings: EncoderSettings;
	stream: RtpStream;
	firstTicks: number;
	extensions: Extension[];
	isOn: boolean;
};

/** Header extensions of every video packet, also when the answer leaves them out: mid "1" and the rid. */
function videoExtensions(rid: string): Extension[] {
	return [
		{ id: 1, payload: Buffer.from('1') },
		{ id: 2, payload: Buffer.from(rid) },
	];
}

/** One outgoing RTP stream. */
type RtpStream = { ssrc: number; sequenceNumber: number; timestamp: number; packetCount: number; octetCount: number };

const NUT_OUTPUT = ['-flush_packets', '1', '-write_index', '0', '-f', 'nut', 'pipe:1'];

/** The FFmpeg arguments for H.264 to a pipe, one NUT frame a picture. */
function weriftVideoArguments(settings: EncoderSettings): string[] {
	// OBS turns B-frames off for WHIP, whatever the user has set.
	const encoder = [...videoEncoder(settings), '-bf', '0'];
	return [...RAW_INPUT, '-map', '0:v', ...encoder, ...NUT_OUTPUT];
}

/** The FFmpeg arguments for Opus to a pipe, one NUT frame a packet. */
function weriftSoundArguments(settings: EncoderSettings): string[] {
	return [
		...[...RAW_INPUT, '-map', '0:a', '-c:a', 'libopus', '-b:a', String(settings.audioBitrateBps), '-ar', '48000'],
		...['-frame_duration', '20', ...NUT_OUTPUT],
	];
}

/** One use. */
export class WeriftWhipPublisher implements Publisher {
	readonly clockOffsetMs = 0;
	readonly #settings: EncoderSettings;
	readonly #target: PublishTarget;
	readonly #layers: readonly Layer[];
	readonly #audio = createStream(randomInt(2 ** 16), randomInt(2 ** 32));
	#transport: WhipTransport | undefined;
	#encoders: EncoderProcess[] = [];
	#loop: SourceLoop | undefined;
	#sessionUrl: string | undefined;
	readonly #reports = new Timer(systemClock, () => this.#report());

	/** `layerCount`: 1 to 4. */
	constructor(settings: EncoderSettings, target: PublishTarget, layerCount = 1) {
		this.#settings = { ...settings, soundLeadMs: settings.soundLeadMs === 0 ? 0 : OPUS_DELAY_MS };
		this.#target = target;
		this.#layers = LAYER_SHARES[layerCount]!.map((share, index): Layer => {
			const firstTicks = index === 0 ? 0 : randomInt(2 ** 32);
			return {
				settings: scaled(this.#settings, share),
				stream: createStream(0, firstTicks),
				firstTicks,
				extensions: videoExtensions(String(index)),
				isOn: true,
			};
		});
	}

	get description(): string {
		return `WHIP (as OBS), ${describeSettings(this.#settings)}`;
	}

	/** Stops sending a layer, by its rid, or sends it again. */
	switchLayer(rid: string, isOn: boolean): void {
		this.#layers[Number(rid)]!.isOn = isOn;
	}

	async start(): Promise<void> {
		this.#transport = await WhipTransport.create();
		try {
			const ssrcs = { audioSsrc: this.#audio.ssrc, videoSsrc: this.#layers[0]!.stream.ssrc };
			const { sdp, userAgent } = obsOffer({ ...this.#transport.offerValues, ...ssrcs }, this.#layers.length);
			const response = await fetch(this.#target.url, {
				method: 'POST',
				headers: {
					'Content-Type': 'application/sdp',
					Authorization: `Bearer ${this.#target.streamKey}`,
					'User-Agent': userAgent,
				},
				body: sdp,
			});
			const body = await response.text();
			// OBS accepts only 201 with a Location.
			if (response.status !== 201) {
				throw new Error(`WHIP was answered with ${response.status}: ${body.slice(0, 200)}`);
			}
			const location = response.headers.get('location');
			if (location === null) {
				throw new Error('The WHIP answer has no Location header.');
			}
			this.#sessionUrl = new URL(location, this.#target.url).href;
			await this.#transport.connect(parseAnswer(body));
		} catch (error) {
			await this.#transport.close();
			throw error;
		}
		this.#startMedia(this.#transport);
	}

	get failure(): Error | undefined {
		return this.#encoders.find((encoder) => encoder.failure !== undefined)?.failure;
	}

	async stop(): Promise<void> {
		this.#endMedia();
		if (this.#sessionUrl !== undefined) {
			const headers = { Authorization: `Bearer ${this.#target.streamKey}` };
			// The server may be gone already.
			await fetch(this.#sessionUrl, { method: 'DELETE', headers }).catch(() => undefined);
		}
		await this.kill();
	}

	async kill(): Promise<void> {
		this.#endMedia();
		this.#sessionUrl = undefined;
		await this.#transport?.close();
		await Promise.all(this.#encoders.map((encoder) => encoder.kill()));
	}

	sentFrames(): Promise<SentFrame[]> {
		return Promise.resolve([...(this.#loop?.sent ?? [])]);
	}

	#endMedia(): void {
		this.#loop?.stop();
		this.#reports.disarm();
	}

	#startMedia(transport: WhipTransport): void {
		const settings = this.#settings;
		const artist = new BenchPicture(settings.widthPixels, settings.heightPixels);
		const sound = new EncoderProcess(weriftSoundArguments(settings), settings, artist, 'sound');
		const videos = this.#layers.map((layer) => this.#startLayer(transport, layer));
		this.#encoders = [...videos, sound];
		readFrames(sound, ({ bytes }) => {
			this.#send(transport, this.#audio, AUDIO_PAYLOAD_TYPE, bytes, false, []);
			this.#audio.timestamp = (this.#audio.timestamp + OPUS_PACKET_TICKS) % 2 ** 32;
		});
		const output: SourceOutput = {
			picture: (frame) => videos.forEach((video) => video.picture(frame)),
			sound: (originMs, first, end) => sound.sound(originMs, first, end),
		};
		this.#loop = new SourceLoop(systemClock, settings, output, settings.soundLeadMs);
		for (const encoder of this.#encoders) {
			encoder.onFailure = () => this.#endMedia();
		}
		this.#loop.start();
		this.#reports.arm(FIRST_REPORT_AFTER_MS);
	}

	#startLayer(transport: WhipTransport, layer: Layer): EncoderProcess {
		const { settings, stream, extensions } = layer;
		const artist = new BenchPicture(settings.widthPixels, settings.heightPixels);
		const video = new EncoderProcess(weriftVideoArguments(settings), settings, artist, 'video');
		video.patienceMs = settings.patienceMs ?? 0;
		readFrames(video, ({ timeTicks, isKeyFrame, bytes }, { timeBase, codecSpecificData }) => {
			const nals = obsNalUnits(splitAnnexB(bytes), splitAnnexB(codecSpecificData), isKeyFrame);
			const seconds = (timeTicks * timeBase.numerator) / timeBase.denominator;
			stream.timestamp = (Math.round(seconds * VIDEO_CLOCK_RATE) + layer.firstTicks) % 2 ** 32;
			const payloads = layer.isOn ? obsPayloads(nals) : [];
			payloads.forEach((payload, index) => {
				this.#send(transport, stream, VIDEO_PAYLOAD_TYPE, payload, index === payloads.length - 1, extensions);
			});
		});
		return video;
	}

	#send(
		transport: WhipTransport,
		stream: RtpStream,
		payloadType: number,
		payload: Uint8Array,
		marker: boolean,
		extensions: Extension[],
	): void {
		const { ssrc, sequenceNumber, timestamp } = stream;
		transport.send(
			new RtpHeader({ version: 2, payloadType, sequenceNumber, timestamp, ssrc, marker, extensions }),
			payload,
			stream === this.#audio || stream === this.#layers[0]!.stream,
		);
		stream.sequenceNumber = (sequenceNumber + 1) % 2 ** 16;
		stream.packetCount++;
		stream.octetCount += payload.length;
	}

	#report(): void {
		const transport = this.#transport!;
		const nowMs = systemClock.nowMs();
		const loop = this.#loop;
		if (loop !== undefined && loop.sent.length > 0) {
			// Both streams relate to one capture clock, as OBS's timestamps do.
			const sinceMs = nowMs - loop.originMs;
			const audio = this.#audio;
			for (const { stream, firstTicks } of this.#layers.filter(({ isOn }) => isOn)) {
				const videoTicks = (msToTicks(sinceMs, VIDEO_CLOCK_RATE) + firstTicks) % 2 ** 32;
				transport.sendReport(stream.ssrc, videoTicks, nowMs, stream.packetCount, stream.octetCount);
			}
			const audioTicks = (audio.timestamp + this.#audioTicksAhead(sinceMs)) % 2 ** 32;
			transport.sendReport(audio.ssrc, (audioTicks + 2 ** 32) % 2 ** 32, nowMs, audio.packetCount, audio.octetCount);
		}
		this.#reports.arm(REPORT_INTERVAL_MS);
	}

	// Ticks from the next packet's timestamp to now; packet n holds the sound from n · 20 ms − 6.5 ms (RFC 7845 §4.2).
	#audioTicksAhead(sinceMs: number): number {
		return Math.round(sinceMs * 48 + 312) - this.#audio.packetCount * OPUS_PACKET_TICKS;
	}
}

/** The settings of a layer whose height is this share. */
function scaled(settings: EncoderSettings, share: number): EncoderSettings {
	const even = (pixels: number): number => 2 * Math.round((pixels * share) / 2);
	return {
		...settings,
		widthPixels: even(settings.widthPixels),
		heightPixels: even(settings.heightPixels),
		videoBitrateBps: Math.round(settings.videoBitrateBps * (share * share) ** BITS_BY_PIXELS_POWER),
	};
}

function createStream(sequenceNumber: number, timestamp: number): RtpStream {
	return { ssrc: randomInt(1, 2 ** 31), sequenceNumber, timestamp, packetCount: 0, octetCount: 0 };
}

function readFrames(encoder: EncoderProcess, onFrame: (frame: NutFrame, stream: NutStream) => void): void {
	let stream: NutStream | undefined;
	const reader = new NutReader({
		onStream: (announced) => (stream = announced),
		onFrame: (frame) => onFrame(frame, stream!),
	});
	encoder.output.on('data', (bytes: Buffer) => reader.push(bytes));
}
