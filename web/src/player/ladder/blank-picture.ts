/**
 * A small black picture, so that a channel's sound can be played without its picture: the browser waits where
 * one of both is missing. It costs no bytes of the line. Pure.
 */

/** Init segment of 64x36 pixels, H.264 Baseline, made by packager/cmaf/init-segment.ts. */
const INIT =
	'AAAAGGZ0eXBjbWZjAAAAAGlzbzZjbWZjAAACb21vb3YAAABsbXZoZAAAAAAAAAAAAAAAAAAAA+gAAAAAAAEAAAEAAAAAAAAAAAAAAAAB' +
	'AAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIAAAHTdHJhawAAAFx0a2hk' +
	'AAAABwAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAQAAAAABA' +
	'AAAAJAAAAAABb21kaWEAAAAgbWRoZAAAAAAAAAAAAAAAAAABX5AAAAAAVcQAAAAAACZoZGxyAAAAAAAAAAB2aWRlAAAAAAAAAAAAAAAA' +
	'VmlkZW8AAAABIW1pbmYAAAAUdm1oZAAAAAEAAAAAAAAAAAAAACRkaW5mAAAAHGRyZWYAAAAAAAAAAQAAAAx1cmwgAAAAAQAAAOFzdGJs' +
	'AAAAlXN0c2QAAAAAAAAAAQAAAIVhdmMxAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAEAAJABIAAAASAAAAAAAAAABAAAAAAAAAAAAAAAA' +
	'AAAAAAAAAAAAAAAAAAAAAAAAAAAAGP//AAAAL2F2Y0MBQsAe/+EAF2dCwB7cR/nwEQAAAwABAAADAAoPFi+AAQAFaM4PLIAAAAAQc3R0' +
	'cwAAAAAAAAAAAAAAEHN0c2MAAAAAAAAAAAAAABRzdHN6AAAAAAAAAAAAAAAAAAAAEHN0Y28AAAAAAAAAAAAAAChtdmV4AAAAIHRyZXgA' +
	'AAAAAAAAAQAAAAEAAAAAAAAAAAAAAAA=';

/** Two black IDR pictures by x264. They alternate: neighbours differ in `idr_pic_id` (H.264 §7.4.3). */
const PICTURES = ['ZYiEBLyYoAA4oycnJ111111114A=', 'ZYiCAX///8PRQABV58nJyddddddddeA='];

const MFHD_BYTES = 16;
const TFHD_BYTES = 16;
const TFDT_BYTES = 20;
const TRUN_BYTES = 28;
const TFHD_DEFAULT_BASE_IS_MOOF = 0x2_0000;
/** Version 1, with data offset, sample duration and sample size. */
const TRUN_FLAGS = 0x0100_0301;

export function blankInit(): Uint8Array<ArrayBuffer> {
	return bytesOf(INIT);
}

/** A picture that stands for longer counts as a stall. */
const LONGEST_TICKS = 22_500;

/** Pictures for this time, as fragments of track 1. Times in ticks of 1/90 000 s. */
export function blankFragments(startTicks: number, durationTicks: number): Uint8Array<ArrayBuffer>[] {
	const count = Math.max(1, Math.ceil(durationTicks / LONGEST_TICKS));
	const borders = Array.from({ length: count + 1 }, (_, index) => Math.round((durationTicks * index) / count));
	return borders.slice(1).map((end, index) => blankFragment(startTicks + borders[index]!, end - borders[index]!));
}

function blankFragment(startTicks: number, durationTicks: number): Uint8Array<ArrayBuffer> {
	const picture = bytesOf(PICTURES[Math.round(startTicks / durationTicks) % 2]!);
	const trafBytes = 8 + TFHD_BYTES + TFDT_BYTES + TRUN_BYTES;
	const moofBytes = 8 + MFHD_BYTES + trafBytes;
	const view = new DataView(new ArrayBuffer(moofBytes + 8 + 4 + picture.length));
	let at = 0;
	const u32 = (value: number): void => {
		view.setUint32(at, value);
		at += 4;
	};
	const box = (type: string, size: number): void => {
		u32(size);
		u32([...type].reduce((code, letter) => code * 256 + letter.charCodeAt(0), 0));
	};
	box('moof', moofBytes);
	box('mfhd', MFHD_BYTES);
	u32(0);
	u32(1);
	box('traf', trafBytes);
	box('tfhd', TFHD_BYTES);
	u32(TFHD_DEFAULT_BASE_IS_MOOF);
	u32(1);
	box('tfdt', TFDT_BYTES);
	u32(0x0100_0000);
	view.setBigUint64(at, BigInt(startTicks));
	at += 8;
	box('trun', TRUN_BYTES);
	u32(TRUN_FLAGS);
	u32(1);
	u32(moofBytes + 8);
	u32(durationTicks);
	u32(4 + picture.length);
	box('mdat', 8 + 4 + picture.length);
	u32(picture.length);
	const bytes = new Uint8Array(view.buffer);
	bytes.set(picture, at);
	return bytes;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}
