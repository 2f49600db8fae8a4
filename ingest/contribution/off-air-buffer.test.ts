/** Tests of the media that is kept for a publisher off air: its newest GOP, in order, within a limit. */
import { describe, expect, it } from 'vitest';
import type { TrackKind } from '../../core/media/access-unit.ts';
import { OffAirBuffer, type PublisherMedia } from './off-air-buffer.ts';

const KEY_FRAME_PAYLOAD = Uint8Array.of(0x67, 1);
const SLICE_PAYLOAD = Uint8Array.of(0x41, 1);

function unit(kind: TrackKind, timeMs: number, isKeyFrame = kind === 'audio'): PublisherMedia {
	const times = { decodeTimeMs: timeMs, presentationTimeMs: timeMs, arrivedAtMs: timeMs };
	return { unit: { kind, ...times, rtpTicks: undefined, isKeyFrame, bytes: new Uint8Array() } };
}

function packet(kind: TrackKind, timeMs: number, payload: Uint8Array): PublisherMedia {
	const times = { rtpTicks: timeMs * 90, arrivedAtMs: timeMs };
	return { packet: { kind, payload, hasMarker: true, sequenceNumber: timeMs, ...times } };
}

/** `v`ideo or `a`udio, in capitals for packets, and the time of arrival. */
function kept(buffer: OffAirBuffer): string {
	const words = buffer.drain().map(({ unit: one, packet: other }) => {
		const letter = (one ?? other).kind[0]!;
		return `${other === undefined ? letter : letter.toUpperCase()}${(one ?? other).arrivedAtMs}`;
	});
	return words.join(' ');
}

function bufferOf(...media: PublisherMedia[]): OffAirBuffer {
	const buffer = new OffAirBuffer();
	media.forEach((one) => buffer.add(one));
	return buffer;
}

describe('OffAirBuffer', () => {
	it('keeps media since the newest key frame, in order', () => {
		const gop = [unit('video', 1, true), unit('audio', 2), unit('video', 3)];
		expect(kept(bufferOf(...gop, unit('video', 4, true), unit('audio', 5), unit('video', 6)))).toBe('v4 a5 v6');
	});

	it('keeps sound alone', () => {
		expect(kept(bufferOf(unit('audio', 1), unit('audio', 2)))).toBe('a1 a2');
	});

	it('begins a GOP with the packets of a key frame, which come ahead of its unit', () => {
		const media = [
			packet('video', 1, SLICE_PAYLOAD),
			packet('audio', 2, KEY_FRAME_PAYLOAD),
			packet('video', 3, KEY_FRAME_PAYLOAD),
			unit('video', 4, true),
		];
		expect(kept(bufferOf(...media))).toBe('V3 v4');
	});

	it('drains all once', () => {
		const buffer = bufferOf(unit('audio', 1));
		expect([kept(buffer), kept(buffer)]).toEqual(['a1', '']);
	});

	it('starts over when a GOP has no end', () => {
		const buffer = new OffAirBuffer();
		for (let timeMs = 0; timeMs <= 6001; timeMs++) {
			buffer.add(unit('audio', timeMs));
		}
		expect(kept(buffer)).toBe('a6001');
	});
});
