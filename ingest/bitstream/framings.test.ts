/** Tests that random framings of one bitstream give the same pictures, one configuration, and the sets for decoders. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isSameBytes, isSameConfig, type TrackConfig, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, nalType, splitLengthPrefixed } from '../../core/media/h264.ts';
import { isInterchangeableSps, parsePps, parseSps } from '../../core/media/h264-parameter-sets.ts';
import { writePps, writeSlice, writeSps, type SpsFields } from '../../core/media/testing/h264-writer.ts';
import type { PublisherId } from '../../core/ids.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { H264Depacketizer } from '../../sfu/rtp/h264-depacketizer.ts';
import { FakeWhipTransport } from '../testing/fake-whip-transport.ts';
import type { PublisherRtpPacket, PublisherUnit } from '../publisher/publisher.ts';
import { FlvDemuxer } from '../rtmp/flv-demuxer.ts';
import { avcRecord, concat, legacy, lengthPrefixed } from '../../core/wire/rtmp/testing/encoder-double.ts';
import { WhipPublisher } from '../whip/whip-publisher.ts';

type CodedPicture = { isIdr: boolean; slices: Uint8Array[]; sps: Uint8Array; pps: Uint8Array[] };
type Found = { configs: VideoTrackConfig[]; units: { isKeyFrame: boolean; nals: Uint8Array[] }[] };

const PICTURE_MS = 40;
const GOP = 4;
const START_CODE = Uint8Array.of(0, 0, 0, 1);
const AUD = Uint8Array.of(0x09, 0xf0);
const FILLER = Uint8Array.of(0x0c, 0xff, 0xff, 0x80);
const SEI = Uint8Array.of(0x06, 5, 1, 0xaa, 0x80);

/** Three GOPs and an IDR picture behind them. Bodies hold the picture's number, so that pictures differ. */
function encode(fields: SpsFields, sliceCount: number): CodedPicture[] {
	return Array.from({ length: 3 * GOP + 1 }, (_, number) => {
		const isIdr = number % GOP === 0;
		const slices = Array.from({ length: sliceCount }, (_unused, index) =>
			writeSlice(
				{
					isIdr,
					firstMb: index * 20,
					frameNum: number % GOP,
					pictureOrder: (number % GOP) * 2,
					idrPicId: (number / GOP) % 2,
					body: new Uint8Array(30 + index).fill(number + 1),
				},
				fields,
			),
		);
		return { isIdr, slices, sps: writeSps(fields), pps: [writePps()] };
	});
}

const slicesOf = (nals: readonly Uint8Array[]): string[] =>
	nals.filter((nal) => nalType(nal) <= NAL_TYPE.IDR).map((nal) => Buffer.from(nal).toString('hex'));
const shape = (pictures: readonly { isKeyFrame: boolean; nals: readonly Uint8Array[] }[]): string[] =>
	pictures.map(({ isKeyFrame, nals }) => `${isKeyFrame ? 'key' : 'picture'} ${slicesOf(nals).join(' ')}`);
const shapeOf = (pictures: readonly CodedPicture[]): string[] =>
	shape(pictures.map(({ isIdr, slices }) => ({ isKeyFrame: isIdr, nals: slices })));

type RtmpFraming = {
	form: 1 | 2 | 4 | 'annex-b';
	record: 'full' | 'without-sets' | 'other-level' | 'repeated';
	sets: 'in-picture' | 'own-message' | 'own-time' | 'first-only' | 'none';
	hasDelimiter: boolean;
	hasSei: boolean;
	hasFiller: boolean;
};

const BARE = { hasDelimiter: false, hasSei: false } as const;
const PLAIN_RTMP: RtmpFraming = { form: 4, record: 'full', sets: 'in-picture', hasFiller: false, ...BARE };

function sendRtmp(pictures: readonly CodedPicture[], framing: RtmpFraming): Found {
	const found: Found = { configs: [], units: [] };
	const demuxer = new FlvDemuxer({
		configure: (config) => found.configs.push(config as VideoTrackConfig),
		unit: ({ isKeyFrame, bytes }) => found.units.push({ isKeyFrame, nals: splitLengthPrefixed(bytes) }),
		sequenceEnded: () => undefined,
		ignored: () => undefined,
	});
	const send = (payload: Uint8Array, timestampMs: number): void =>
		demuxer.video({ payload, timestampMs, arrivedAtMs: timestampMs });
	const frame = (nals: readonly Uint8Array[]): Uint8Array =>
		legacy.picture(
			framing.form === 'annex-b'
				? concat(...nals.flatMap((nal) => [START_CODE, nal]))
				: lengthPrefixed(nals, framing.form),
		);
	const lengthSize = framing.form === 'annex-b' ? 4 : framing.form;
	const sendRecord = ({ sps, pps }: CodedPicture, timestampMs: number): void => {
		const otherLevel = sps.map((byte, index) => (index === 3 ? byte + 1 : byte));
		const sets = framing.record === 'without-sets' ? [] : [framing.record === 'other-level' ? otherLevel : sps];
		send(legacy.avcHeader(avcRecord(sets, sets.length === 0 ? [] : pps, lengthSize)), timestampMs);
	};
	pictures.forEach((picture, index) => {
		const timestampMs = index * PICTURE_MS;
		const { isIdr, sps, pps, slices } = picture;
		if (index === 0 || (isIdr && (framing.record === 'repeated' || framing.record === 'other-level'))) {
			sendRecord(picture, timestampMs);
		}
		const hasSets = isIdr && (framing.sets === 'first-only' ? index === 0 : framing.sets !== 'none');
		const isApart = framing.sets === 'own-message' || framing.sets === 'own-time';
		if (hasSets && isApart) {
			const setTimeMs = framing.sets === 'own-time' ? Math.max(0, timestampMs - 5) : timestampMs;
			send(frame([sps]), setTimeMs);
			send(frame(pps), setTimeMs);
		}
		send(
			frame([
				...(framing.hasDelimiter ? [AUD] : []),
				...(hasSets && !isApart ? [sps, ...pps] : []),
				...(framing.hasSei ? [SEI] : []),
				...slices,
				...(framing.hasFiller ? [FILLER] : []),
			]),
			timestampMs,
		);
	});
	return found;
}

type WhipFraming = {
	sets: 'in-picture' | 'aggregated' | 'own-marker' | 'own-time' | 'first-only' | 'offer-only';
	markers: 'last' | 'every-unit' | 'never';
	fragmentBytes: number;
	hasDelimiter: boolean;
	hasSei: boolean;
};

class PacketTransport extends FakeWhipTransport {
	sequence = 65_500;
	override readonly tracks;

	constructor(sprop: string | undefined) {
		super();
		this.tracks = [
			{ kind: 'video', codec: 'h264', spropParameterSets: sprop },
		] as unknown as FakeWhipTransport['tracks'];
	}

	packet(payload: Uint8Array, timestampTicks: number, hasMarker: boolean): void {
		const header = {
			hasMarker,
			sequenceNumber: this.sequence++ % 65_536,
			timestampTicks: timestampTicks % 2 ** 32,
			payloadStart: 0,
			payloadEnd: payload.length,
			payloadType: 96,
			ssrc: 1,
		};
		this.emit('packet', 'video', Buffer.from(payload), header as never);
	}
}

function payloadsOf(nal: Uint8Array, fragmentBytes: number): Uint8Array[] {
	if (nal.length <= fragmentBytes) {
		return [nal];
	}
	const payloads: Uint8Array[] = [];
	for (let start = 1; start < nal.length; start += fragmentBytes) {
		const end = Math.min(nal.length, start + fragmentBytes);
		const flags = (start === 1 ? 0x80 : 0) | (end === nal.length ? 0x40 : 0);
		payloads.push(concat(Uint8Array.of((nal[0]! & 0xe0) | 28, flags | (nal[0]! & 0x1f)), nal.subarray(start, end)));
	}
	return payloads;
}

async function sendWhip(
	pictures: readonly CodedPicture[],
	framing: WhipFraming,
): Promise<Found & { packets: PublisherRtpPacket[] }> {
	const found = { configs: [] as VideoTrackConfig[], units: [] as Found['units'], packets: [] as PublisherRtpPacket[] };
	const { sps, pps } = pictures[0]!;
	const sprop = [sps, ...pps].map((nal) => Buffer.from(nal).toString('base64')).join(',');
	const transport = new PacketTransport(framing.sets === 'offer-only' ? sprop : undefined);
	const clock = new FakeClock();
	const publisher = new WhipPublisher(
		{ clock, logger: new RecordingLogger(), transport },
		{ id: 'whip' as PublisherId, remoteAddress: '192.0.2.1', encoderName: undefined },
	);
	publisher.on('trackConfigured', (config: TrackConfig) => found.configs.push(config as VideoTrackConfig));
	publisher.on('unit', ({ isKeyFrame, bytes }: PublisherUnit) =>
		found.units.push({ isKeyFrame, nals: splitLengthPrefixed(bytes) }),
	);
	publisher.on('rtpPacket', (packet) => found.packets.push(packet));
	publisher.release();
	for (const [index, picture] of pictures.entries()) {
		const ticks = 4_294_960_000 + index * PICTURE_MS * 90;
		const hasSets = picture.isIdr && (framing.sets === 'first-only' ? index === 0 : framing.sets !== 'offer-only');
		const sets = hasSets ? [picture.sps, ...picture.pps] : [];
		const isApart = framing.sets === 'own-marker' || framing.sets === 'own-time';
		if (isApart) {
			sets.forEach((nal, place) => {
				transport.packet(nal, ticks - sets.length + place, framing.sets === 'own-marker');
			});
		}
		const aggregate = concat(Uint8Array.of(0x78), lengthPrefixed(sets, 2));
		const groups = [
			...(framing.hasDelimiter ? [[AUD]] : []),
			...(isApart || sets.length === 0 ? [] : framing.sets === 'aggregated' ? [[aggregate]] : sets.map((nal) => [nal])),
			...(framing.hasSei ? [[SEI]] : []),
			...picture.slices.map((nal) => payloadsOf(nal, framing.fragmentBytes)),
		];
		groups.forEach((payloads, group) => {
			payloads.forEach((payload, part) => {
				const isLast =
					part === payloads.length - 1 && (framing.markers === 'every-unit' || group === groups.length - 1);
				transport.packet(payload, ticks, framing.markers !== 'never' && isLast);
			});
		});
		await clock.advance(PICTURE_MS);
	}
	await publisher.close('unpublished');
	return found;
}

/** What a receiver assembles from the packets for the stage. */
function receive(packets: readonly PublisherRtpPacket[]): { nals: Uint8Array[]; markers: string }[] {
	return [...Map.groupBy(packets, ({ rtpTicks }) => rtpTicks).values()].map((group) => {
		const depacketizer = new H264Depacketizer();
		group.forEach(({ payload }) => depacketizer.push(payload));
		const markers = group.map(({ hasMarker }) => (hasMarker ? '1' : '0')).join('');
		return { nals: depacketizer.take() ?? [], markers };
	});
}

const bitstream = fc.record({
	fields: fc.record({
		id: fc.constantFrom(0, 0, 3),
		profileIdc: fc.constantFrom(66, 77, 100),
		frameNumBits: fc.constantFrom(4, 9),
		pictureOrderType: fc.constantFrom(0 as const, 2 as const),
		aspectRatio: fc.constantFrom(1, 4),
	}),
	sliceCount: fc.integer({ min: 1, max: 3 }),
});

/** PPS refer to the SPS by its id. */
function encodeFor({ fields, sliceCount }: { fields: SpsFields; sliceCount: number }): CodedPicture[] {
	return encode(fields, sliceCount).map((picture) => ({ ...picture, pps: [writePps({ spsId: fields.id ?? 0 })] }));
}

describe('framings around one bitstream', () => {
	it('give the same pictures and one configuration over RTMP', () => {
		const framing = fc
			.record<RtmpFraming>({
				form: fc.constantFrom(1 as const, 2 as const, 4 as const, 'annex-b' as const),
				record: fc.constantFrom('full', 'without-sets', 'other-level', 'repeated'),
				sets: fc.constantFrom('in-picture', 'own-message', 'own-time', 'first-only', 'none'),
				hasDelimiter: fc.boolean(),
				hasSei: fc.boolean(),
				hasFiller: fc.boolean(),
			})
			.filter(({ record, sets }) => record !== 'without-sets' || sets !== 'none');
		fc.assert(
			fc.property(bitstream, framing, (source, how) => {
				const pictures = encodeFor(source);
				const { configs, units } = sendRtmp(pictures, how);
				expect(shape(units)).toEqual(shapeOf(pictures));
				expect(configs).toHaveLength(1);
				expect(units.every(({ nals }) => nals.every((nal) => nalType(nal) <= NAL_TYPE.SEI))).toBe(true);
			}),
			{ numRuns: 150 },
		);
	});

	it('give the same pictures and one configuration over WHIP, and packets that receivers understand', async () => {
		const framing = fc.record<WhipFraming>({
			sets: fc.constantFrom('in-picture', 'aggregated', 'own-marker', 'own-time', 'first-only', 'offer-only'),
			markers: fc.constantFrom('last', 'every-unit', 'never'),
			fragmentBytes: fc.constantFrom(12, 1000),
			hasDelimiter: fc.boolean(),
			hasSei: fc.boolean(),
		});
		await fc.assert(
			fc.asyncProperty(bitstream, framing, async (source, how) => {
				const pictures = encodeFor(source);
				const { configs, units, packets } = await sendWhip(pictures, how);
				const all = shapeOf(pictures);
				// Without proof of its end the newest picture waits for the next.
				expect(shape(units)).toEqual(all.slice(0, units.length));
				expect(units.length).toBeGreaterThanOrEqual(all.length - 1);
				expect(configs).toHaveLength(1);

				const numbers = packets.map(({ sequenceNumber }) => sequenceNumber);
				expect(numbers).toEqual(numbers.map((_, index) => (numbers[0]! + index) % 65_536));
				const received = receive(packets);
				expect(received.map(({ nals }) => slicesOf(nals).join(' '))).toEqual(
					units.map(({ nals }) => slicesOf(nals).join(' ')),
				);
				expect(received.filter(({ markers }) => !/^0*1$/.test(markers))).toEqual([]);
				// One IDR picture may be forwarded without sets before it shows that only the first one had them.
				const bare = received.filter(
					({ nals }, index) => units[index]!.isKeyFrame && !nals.some((nal) => nalType(nal) === NAL_TYPE.SPS),
				);
				expect(bare.length).toBeLessThanOrEqual(how.sets === 'first-only' ? 1 : 0);
			}),
			{ numRuns: 150 },
		);
	});

	it('are forwarded without waiting for a picture’s end when they are as expected', async () => {
		const pictures = encodeFor({ fields: {}, sliceCount: 2 });
		const framing = { sets: 'in-picture', markers: 'last', fragmentBytes: 1000, ...BARE } as const;
		const { packets } = await sendWhip(pictures, framing);
		// From the second GOP on, the sets are forwarded as they were sent, in separate packets.
		expect(packets.filter(({ payload }) => nalType(payload) === NAL_TYPE.PPS).length).toBeGreaterThanOrEqual(2);
	});
});

describe('parameter sets that change', () => {
	/** The sets of a decoder, by id. */
	class Decoder {
		readonly sps = new Map<number, Uint8Array>();
		readonly pps = new Map<number, Uint8Array>();

		add(nals: readonly Uint8Array[]): void {
			for (const nal of nals) {
				if (nalType(nal) === NAL_TYPE.SPS) {
					this.sps.set(parseSps(nal)!.id, nal);
				} else if (nalType(nal) === NAL_TYPE.PPS) {
					this.pps.set(parsePps(nal)!.id, nal);
				}
			}
		}

		/** True when it decodes the same with these sets as with its own. */
		agreesWith(sps: Uint8Array, pps: Uint8Array): boolean {
			const held = this.pps.get(parsePps(pps)!.id);
			const heldSps = this.sps.get(parsePps(pps)!.spsId);
			return (
				held !== undefined &&
				heldSps !== undefined &&
				isSameBytes(held, pps) &&
				isInterchangeableSps(parseSps(heldSps)!, parseSps(sps)!)
			);
		}
	}

	const choice = fc.record({
		id: fc.nat(1),
		initQp: fc.constantFrom(26, 30),
		levelIdc: fc.constantFrom(30, 31),
		reorder: fc.constantFrom(undefined, { maxNumReorderFrames: 0, maxDecFrameBuffering: 1 }),
		colour: fc.constantFrom(undefined, [1, 1, 1] as const),
	});

	it('begin no run while they decode alike, and reach a decoder that begins at any key frame', () => {
		fc.assert(
			fc.property(fc.array(choice, { minLength: 2, maxLength: 6 }), (choices) => {
				const pictures = choices.flatMap(({ id, initQp, levelIdc, reorder, colour }) => {
					const fields: SpsFields = {
						id,
						levelIdc,
						...(reorder === undefined ? {} : { reorder }),
						...(colour === undefined ? {} : { colour }),
					};
					const pps = [writePps({ id, spsId: id, initQp })];
					return [true, false].map((isIdr) => ({
						isIdr,
						sps: writeSps(fields),
						pps,
						slices: [writeSlice({ isIdr, ppsId: id, frameNum: isIdr ? 0 : 1 }, fields)],
					}));
				});
				const { configs, units } = sendRtmp(pictures, PLAIN_RTMP);
				expect(units).toHaveLength(pictures.length);
				expect(configs.filter((config) => !isSameConfig(configs[0]!, config))).toEqual([]);
				for (let first = 0; first < units.length; first += 2) {
					const decoder = new Decoder();
					decoder.add([...configs[0]!.sps, ...configs[0]!.pps]);
					for (let index = first; index < units.length; index++) {
						decoder.add(units[index]!.nals);
						expect(decoder.agreesWith(pictures[index]!.sps, pictures[index]!.pps[0]!)).toBe(true);
					}
				}
			}),
			{ numRuns: 150 },
		);
	});

	it('begin a run when the picture changes, without sets of the previous one', () => {
		const small = encodeFor({ fields: {}, sliceCount: 1 });
		const large = encodeFor({ fields: { id: 3, widthMbs: 40 }, sliceCount: 1 });
		const { configs } = sendRtmp([...small, ...large], PLAIN_RTMP);
		expect(configs.map(({ widthPixels, sps, pps }) => [widthPixels, sps.length, pps.length])).toEqual([
			[320, 1, 1],
			[640, 1, 1],
		]);
	});
});
