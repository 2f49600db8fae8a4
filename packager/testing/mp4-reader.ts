/** Reads our MP4 files with mediabunny, an independent reader, and single boxes, which it does not show. For tests. */
import { BufferSource, EncodedPacketSink, Input, MP4 } from 'mediabunny';
import { concatBytes } from '../cmaf/box-writer.ts';

/** One sample, in decode order. Times in ticks of the track's timescale, edit list applied. */
export type ReadPacket = { timestampTicks: number; durationTicks: number; isKey: boolean; bytes: Uint8Array };

type ReadTrack = {
	trackId: number;
	kind: 'video' | 'audio';
	/** As in `CODECS`. */
	codec: string;
	timescale: number;
	/** As coded; undefined for audio. */
	size: string | undefined;
	/** AVCDecoderConfigurationRecord or AudioSpecificConfig. */
	decoderConfiguration: Uint8Array;
	packets: ReadPacket[];
};

/** Reads a file of one track, given in pieces: an init segment and fragments. */
export async function readMp4(...pieces: readonly Uint8Array[]): Promise<ReadTrack> {
	using input = new Input({ source: new BufferSource(concatBytes(pieces)), formats: [MP4] });
	const video = await input.getPrimaryVideoTrack();
	const track = video ?? (await input.getPrimaryAudioTrack());
	if (track === null) {
		throw new Error('The file has no track.');
	}
	const config = (await track.getDecoderConfig())!;
	const timescale = await track.getTimeResolution();
	const packets: ReadPacket[] = [];
	for await (const { timestamp, duration, type, data } of new EncodedPacketSink(track).packets()) {
		packets.push({
			timestampTicks: Math.round(timestamp * timescale),
			durationTicks: Math.round(duration * timescale),
			isKey: type === 'key',
			bytes: data,
		});
	}
	return {
		trackId: track.id,
		kind: video === null ? 'audio' : 'video',
		codec: config.codec,
		timescale,
		size: video === null ? undefined : `${await video.getCodedWidth()}x${await video.getCodedHeight()}`,
		decoderConfiguration: new Uint8Array(config.description as Uint8Array),
		packets,
	};
}

/** The boxes in `bytes` by type, the last one of each. */
export function boxesIn(bytes: Uint8Array): Map<string, Buffer> {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
	const boxes = new Map<string, Buffer>();
	for (let offset = 0; offset < buffer.length;) {
		const end = offset + Math.max(8, buffer.readUInt32BE(offset));
		boxes.set(buffer.toString('latin1', offset + 4, offset + 8), buffer.subarray(offset + 8, end));
		offset = end;
	}
	return boxes;
}

/** The contents of the box at a path such as `moov/trak/mdia`; undefined when there is none. */
export function findBox(bytes: Uint8Array, path: string): Buffer | undefined {
	return path
		.split('/')
		.reduce<Buffer | undefined>((inside, type) => inside && boxesIn(inside).get(type), Buffer.from(bytes));
}
