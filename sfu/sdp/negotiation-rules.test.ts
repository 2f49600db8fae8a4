/** Tests that an offer made at random around the rules is either answered by all the rules, or refused in words. */
import fc from 'fast-check';
import type { Consumer } from 'mediasoup/types';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../core/errors/errors.ts';
import { DEFAULT_PAYLOAD_TYPES } from '../rtp/media-codecs.ts';
import { violatedRules } from '../testing/answer-rules.ts';
import { offerArbitrary } from '../testing/offer-arbitrary.ts';
import { CHROMIUM_WHEP_OFFER, OBS_OFFER } from '../testing/sdp-fixtures.ts';
import { writeSdpAnswer } from './sdp-answer.ts';
import { parseSdpOffer } from './sdp-offer.ts';
import { answerViewerMedia, negotiateWhep } from './whep-negotiation.ts';
import { negotiateWhip } from './whip-negotiation.ts';

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
	const { transport, video, audio } = negotiateWhep(offer, DEFAULT_PAYLOAD_TYPES);
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

	it('keeps all rules for every offer that is not refused in words', () => {
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
		// Of both kinds there are enough to mean something.
		expect(answeredCount).toBeGreaterThan(100);
		expect(refusals.size).toBeGreaterThan(10);
	});
});
