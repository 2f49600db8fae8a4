/** Tests of the OBS-like packing and of OBS's offer, against the captured request. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { obsNalUnits, obsPayloads } from './obs-packetizer.ts';
import { obsOffer, parseAnswer, readCapturedRequest } from './obs-offer.ts';

const SPS = Uint8Array.of(0x67, 1);
const PPS = Uint8Array.of(0x68, 2);

/** The reverse of RFC 6184 §5.8. */
function reassemble(payloads: readonly Uint8Array[]): Uint8Array[] {
	const nals: number[][] = [];
	for (const payload of payloads) {
		if ((payload[0]! & 0x1f) !== 28) {
			nals.push([...payload]);
		} else {
			if (payload[1]! & 0x80) {
				nals.push([(payload[0]! & 0xe0) | (payload[1]! & 0x1f)]);
			}
			nals.at(-1)!.push(...payload.subarray(2));
		}
	}
	return nals.map((nal) => Uint8Array.from(nal));
}

describe('OBS-like packing', () => {
	it('puts a delimiter before every picture and parameter sets before key frames, each in its own NAL unit', () => {
		const idr = Uint8Array.of(0x65, 9);
		const inBand = [Uint8Array.of(0x67, 0), Uint8Array.of(9, 0x10), idr];
		expect(obsNalUnits(inBand, [SPS, PPS], true).map((nal) => nal[0])).toEqual([9, 0x67, 0x68, 0x65]);
		expect(obsNalUnits([Uint8Array.of(0x41, 9)], [SPS, PPS], false).map((nal) => nal[0])).toEqual([9, 0x41]);
	});

	it('fragments above 1200 bytes, and the fragments join again', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 4 }), (sizes) => {
				const nals = sizes.map((size, index) => new Uint8Array(size).fill(index + 1).fill(0x65, 0, 1));
				const payloads = obsPayloads(nals);
				expect(payloads.every((payload) => payload.length <= 1200)).toBe(true);
				expect(reassemble(payloads)).toEqual(nals);
			}),
		);
	});
});

describe("OBS's offer", () => {
	const values = {
		usernameFragment: 'abcd',
		password: 'secret',
		fingerprint: 'sha-256 AA:BB',
		audioSsrc: 11,
		videoSsrc: 22,
	};

	it('is the captured one with our own values', () => {
		const { sdp, userAgent } = obsOffer(values);
		expect(userAgent).toContain('OBS-Studio/32.2');
		const captured = readCapturedRequest(
			readFileSync(new URL('./fixtures/obs-32.2-whip-offer.txt', import.meta.url), 'utf8'),
		);
		const [ours, theirs] = [sdp, captured.sdp].map((text) => text.split('\r\n'));
		expect(ours).toHaveLength(theirs!.length);
		const changed = ours!.filter((line, index) => line !== theirs![index]);
		expect([...new Set(changed.map((line) => line.slice(0, line.indexOf(':'))))].sort()).toEqual([
			'a=fingerprint',
			'a=ice-pwd',
			'a=ice-ufrag',
			'a=ssrc',
		]);
		expect(sdp).toContain('a=ssrc:11 cname:');
		expect(sdp).toContain('a=ssrc:22 cname:');
		expect(sdp).not.toContain('a=candidate');
	});

	it.each([2, 3, 4])('has %d layers as OBS does, the largest first', (count) => {
		const { sdp } = obsOffer(values, count);
		const rids = ['0', '1', '2', '3'].slice(0, count);
		expect(sdp.split('\r\n').filter((line) => line.startsWith('a=rid'))).toEqual(
			rids.map((rid) => `a=rid:${rid} send`),
		);
		expect(sdp).toContain(`a=simulcast:send ${rids.join(';')}\r\n`);
		expect(sdp).toContain('a=ssrc:11 cname:');
		expect(sdp).not.toContain('a=ssrc:22');
	});

	it('reads an answer, and names what is missing in one', () => {
		const answer = [
			'v=0',
			'a=ice-lite',
			'a=ice-ufrag:u',
			'a=ice-pwd:p',
			'a=fingerprint:sha-256 01:02',
			'a=setup:passive',
			'a=candidate:1 1 udp 1 127.0.0.1 44444 typ host',
			'a=candidate:1 1 udp 1 127.0.0.1 44444 typ host',
			'',
		];
		expect(parseAnswer(answer.join('\r\n'))).toEqual({
			usernameFragment: 'u',
			password: 'p',
			fingerprint: { algorithm: 'sha-256', value: '01:02' },
			setup: 'passive',
			isIceLite: true,
			candidates: ['1 1 udp 1 127.0.0.1 44444 typ host'],
		});
		const without = (start: string): string => answer.filter((line) => !line.startsWith(start)).join('\r\n');
		expect(() => parseAnswer(without('a=candidate'))).toThrow('no candidates');
		expect(() => parseAnswer(without('a=ice-pwd'))).toThrow('no a=ice-pwd');
		expect(() => parseAnswer(answer.join('\r\n').replace('passive', 'actpass'))).toThrow('must choose');
	});
});
