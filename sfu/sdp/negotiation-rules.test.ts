/** Tests that a random offer near the rules is either answered by all the rules, or refused with a message. */
import fc from 'fast-check';
import type { Consumer } from 'mediasoup/types';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { violatedRules } from '../testing/answer-rules.ts';
import { CHROMIUM_WHEP_OFFER, OBS_OFFER } from '../testing/sdp-fixtures.ts';
import { writeSdpAnswer } from './sdp-answer.ts';
import { parseSdpOffer } from './sdp-offer.ts';
import { answerViewerMedia, negotiateWhep } from './whep-negotiation.ts';
import { negotiateWhip } from './whip-negotiation.ts';

// Most parts of an offer are right; some are missing, doubled or of another kind.
const FINGERPRINT = `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`;
const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';
const RID = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';

/** Mostly the first one. */
function mostly<T>(usual: T, ...others: T[]): fc.Arbitrary<T> {
	return fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });
}

const VIDEO_CODECS: string[][] = [
	['96', 'a=rtpmap:96 VP8/90000', 'a=rtcp-fb:96 nack'],
	['102', 'a=rtpmap:102 H264/90000', 'a=fmtp:102 packetization-mode=1;profile-level-id=42e01f'],
	['103', 'a=rtpmap:103 H264/90000', 'a=fmtp:103 packetization-mode=0;profile-level-id=42001f'],
	['104', 'a=rtpmap:104 H264/90000'],
	['105', 'a=rtpmap:105 rtx/90000', 'a=fmtp:105 apt=102'],
	['45', 'a=rtpmap:45 AV1/90000'],
	['98', 'a=rtpmap:98 VP9/90000'],
	['111', 'a=rtpmap:111 H264/90000', 'a=fmtp:111 packetization-mode=1'],
	['120'],
];
const AUDIO_CODECS: string[][] = [
	['111', 'a=rtpmap:111 opus/48000/2', 'a=fmtp:111 useinbandfec=1'],
	['109', 'a=rtpmap:109 opus/48000/2'],
	['0', 'a=rtpmap:0 PCMU/8000'],
	['9'],
];

const codecs = (type: string): fc.Arbitrary<string[][]> =>
	fc.oneof(
		{
			weight: 4,
			arbitrary: fc.constant<string[][]>(type === 'audio' ? [AUDIO_CODECS[0]!] : [VIDEO_CODECS[1]!, VIDEO_CODECS[4]!]),
		},
		{
			weight: 1,
			arbitrary: fc.shuffledSubarray(type === 'audio' ? AUDIO_CODECS : VIDEO_CODECS, { minLength: 1, maxLength: 4 }),
		},
	);

const simulcast = fc.constantFrom(
	[],
	[],
	['a=rid:q send', 'a=rid:h send', 'a=rid:f send', 'a=simulcast:send q;h;f'],
	['a=rid:f send', 'a=rid:q send', 'a=simulcast:send f;~q'],
	['a=rid:f send', 'a=simulcast:send f;q'],
	['a=rid:f send', 'a=rid:q send'],
);

function section(type: string, index: number, usualDirection: string): fc.Arbitrary<string> {
	const isMedia = type === 'audio' || type === 'video';
	return fc
		.record({
			mid: mostly<string | undefined>(String(index), undefined, '0', 'video', '"1"'),
			port: mostly(9, 0, 5004),
			bundleOnly: mostly(false, true),
			direction: mostly(usualDirection, 'sendrecv', 'sendonly', 'recvonly', 'inactive', ''),
			protocol: mostly(isMedia ? 'UDP/TLS/RTP/SAVPF' : 'UDP/DTLS/SCTP', 'RTP/SAVPF', 'UDP/TLS/RTP/SAVP', 'RTP/AVP'),
			codecs: isMedia ? codecs(type) : fc.constant<string[][]>([['webrtc-datachannel']]),
			hasRtcpMux: mostly('a=rtcp-mux', 'a=rtcp-mux-only', ''),
			setup: mostly('actpass', 'passive', 'active', 'holdconn', ''),
			hasFingerprint: mostly(true, false),
			ice: mostly(['ufrg', 'passwordOfTwentyTwoChars'], ['own1', 'anotherPasswordOf24Chars='], ['x', 'short'], []),
			hasSsrc: mostly(true, false),
			midExtension: mostly<number | undefined>(1, undefined, 4, 2),
			simulcast: type === 'video' ? simulcast : fc.constant([]),
			hasRidExtension: mostly(true, false),
		})
		.map((part) => {
			const bundleOnly = part.bundleOnly && index > 0;
			return [
				`m=${type} ${bundleOnly ? 0 : part.port} ${part.protocol} ${part.codecs.map(([format]) => format).join(' ')}`,
				'c=IN IP4 0.0.0.0',
				...(part.mid === undefined ? [] : [`a=mid:${part.mid}`]),
				...(bundleOnly ? ['a=bundle-only'] : []),
				...(part.direction === '' ? [] : [`a=${part.direction}`]),
				...(part.hasRtcpMux === '' ? [] : [part.hasRtcpMux]),
				...(part.setup === '' ? [] : [`a=setup:${part.setup}`]),
				...(part.hasFingerprint ? [FINGERPRINT] : []),
				...(part.ice.length === 0 ? [] : [`a=ice-ufrag:${part.ice[0]}`, `a=ice-pwd:${part.ice[1]}`]),
				...(part.midExtension === undefined ? [] : [`a=extmap:${part.midExtension} ${MID}`]),
				...(part.hasRidExtension && type === 'video' ? [`a=extmap:2 ${RID}`] : []),
				...part.codecs.flatMap(([, ...lines]) => lines),
				...part.simulcast,
				...(part.hasSsrc && part.simulcast.length === 0 ? [`a=ssrc:${1000 + index} cname:c`] : []),
			].join('\r\n');
		});
}

/** Offers whose sections mostly have this direction. */
function offerArbitrary(usualDirection: 'sendonly' | 'recvonly'): fc.Arbitrary<string> {
	const types = fc.constantFrom(
		['audio', 'video'],
		['video', 'audio'],
		['audio', 'video', 'application'],
		['application', 'audio', 'video'],
		['audio', 'audio', 'video'],
		['audio', 'video', 'video', 'text'],
		['video'],
		['audio'],
	);
	return types.chain((all) => {
		const mids = all.map((_, index) => String(index));
		return fc
			.record({
				sections: fc.tuple(...all.map((type, index) => section(type, index, usualDirection))),
				group: mostly<string[][]>([mids], [], [mids.slice(0, 1)], [mids.slice(0, 1), mids.slice(1)], [[...mids, '9']]),
				session: mostly<string[]>([], ['a=ice-lite'], ['a=setup:active'], ['a=inactive']),
				lineEnd: mostly('\r\n', '\n'),
			})
			.map(({ sections, group, session, lineEnd }) =>
				[
					'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0',
					...group.map((members) => `a=group:BUNDLE ${members.join(' ')}`),
					...session,
					...sections,
					'',
				]
					.join('\r\n')
					.replaceAll('\r\n', lineEnd),
			);
	});
}

const OWN_TRANSPORT = {
	iceParameters: { usernameFragment: 'server', password: 'serverPasswordOf24Letter', iceLite: true },
	iceCandidates: [
		{ foundation: 'udp', priority: 1, address: '192.0.2.1', ip: '192.0.2.1', protocol: 'udp', port: 4, type: 'host' },
	],
	dtlsParameters: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value: 'AB' }] },
} as unknown as Parameters<typeof writeSdpAnswer>[0];
const CONSUMER = { rtpParameters: { codecs: [], encodings: [{ ssrc: 1234 }] } } as unknown as Consumer;

function answerWhip(text: string): string {
	const offer = parseSdpOffer(text);
	const { transport, tracks } = negotiateWhip(offer);
	return writeSdpAnswer(OWN_TRANSPORT, { offer, transport, media: tracks.map(({ answer }) => answer) }, undefined);
}

function answerWhep(text: string): string {
	const offer = parseSdpOffer(text);
	const { transport, video, audio } = negotiateWhep(offer, { defaults: DEFAULT_PAYLOAD_TYPES, hasChoice: true });
	const media = [video, audio]
		.filter((section) => section !== undefined)
		.map((section) => answerViewerMedia(section, CONSUMER, 'stream'));
	return writeSdpAnswer(OWN_TRANSPORT, { offer, transport, media }, undefined);
}

describe.each([
	['WHIP', answerWhip, 'sendonly', OBS_OFFER],
	['WHEP', answerWhep, 'recvonly', CHROMIUM_WHEP_OFFER],
] as const)('an answer of %s', (_name, answer, usualDirection, usualOffer) => {
	it('keeps all rules for the usual offer', () => {
		expect(violatedRules(usualOffer, answer(usualOffer))).toEqual([]);
	});

	it('keeps all rules for every offer that is not refused with a message', () => {
		let answeredCount = 0;
		const refusals = new Set<string>();
		fc.assert(
			fc.property(offerArbitrary(usualDirection), (offer) => {
				let text: string;
				try {
					text = answer(offer);
				} catch (error) {
					if (error instanceof SpillwayError && /^SDP_(MALFORMED|OFFER_UNSUPPORTED)$/.test(error.code)) {
						expect(error.message.length).toBeGreaterThan(50);
						refusals.add(error.message);
						return;
					}
					throw error;
				}
				answeredCount++;
				expect(violatedRules(offer, text)).toEqual([]);
			}),
			{ numRuns: 1000 },
		);
		// Both kinds are frequent enough to mean something.
		expect(answeredCount).toBeGreaterThan(100);
		expect(refusals.size).toBeGreaterThan(10);
	});
});
