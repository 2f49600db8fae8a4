/**
 * Publishes by WHIP as OBS does. The offer has no candidates, and every video packet has mid and rid. Delimiter and
 * parameter sets are in their own NAL units. Key-frame requests are ignored.
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
/** Header extensions of every video packet, also when the answer leaves them out: mid "1" and rid "0". */
const VIDEO_EXTENSIONS: Extension[] = [
	{ id: 1, payload: Buffer.from('1') },
	{ id: 2, payload: Buffer.from('0') },
];

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
	readonly #video = createStream(0, 0);
	readonly #audio = createStream(randomInt(2 ** 16), randomInt(2 ** 32));
	#transport: WhipTransport | undefined;
	#encoders: EncoderProcess[] = [];
	#loop: SourceLoop | undefined;
	#sessionUrl: string | undefined;
	readonly #reports = new Timer(systemClock, () => this.#report());

	constructor(settings: EncoderSettings, target: PublishTarget) {
		this.#settings = { ...settings, soundLeadMs: settings.soundLeadMs === 0 ? 0 : OPUS_DELAY_MS };
		this.#target = target;
	}

	get description(): string {
		return `WHIP (as OBS), ${describeSettings(this.#settings)}`;
	}

	async start(): Promise<void> {
		this.#transport = await WhipTransport.create();
		try {
			const ssrcs = { audioSsrc: this.#audio.ssrc, videoSsrc: this.#video.ssrc };
			const { sdp, userAgent } = obsOffer({ ...this.#transport.offerValues, ...ssrcs });
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
		const video = new EncoderProcess(weriftVideoArguments(settings), settings, artist, 'video');
		const sound = new EncoderProcess(weriftSoundArguments(settings), settings, artist, 'sound');
		video.patienceMs = settings.patienceMs ?? 0;
		this.#encoders = [video, sound];
		readFrames(video, ({ timeTicks, isKeyFrame, bytes }, { timeBase, codecSpecificData }) => {
			const nals = obsNalUnits(splitAnnexB(bytes), splitAnnexB(codecSpecificData), isKeyFrame);
			const seconds = (timeTicks * timeBase.numerator) / timeBase.denominator;
			this.#video.timestamp = Math.round(seconds * VIDEO_CLOCK_RATE) % 2 ** 32;
			const payloads = obsPayloads(nals);
			payloads.forEach((payload, index) => {
				const isLast = index === payloads.length - 1;
				this.#send(transport, this.#video, VIDEO_PAYLOAD_TYPE, payload, isLast, VIDEO_EXTENSIONS);
			});
		});
		readFrames(sound, ({ bytes }) => {
			this.#send(transport, this.#audio, AUDIO_PAYLOAD_TYPE, bytes, false, []);
			this.#audio.timestamp = (this.#audio.timestamp + OPUS_PACKET_TICKS) % 2 ** 32;
		});
		const output: SourceOutput = {
			picture: (frame) => video.picture(frame),
			sound: (originMs, first, end) => sound.sound(originMs, first, end),
		};
		this.#loop = new SourceLoop(systemClock, settings, output, settings.soundLeadMs);
		video.onFailure = sound.onFailure = () => this.#endMedia();
		this.#loop.start();
		this.#reports.arm(FIRST_REPORT_AFTER_MS);
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
			const [video, audio] = [this.#video, this.#audio];
			const videoTicks = msToTicks(sinceMs, VIDEO_CLOCK_RATE) % 2 ** 32;
			transport.sendReport(video.ssrc, videoTicks, nowMs, video.packetCount, video.octetCount);
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
