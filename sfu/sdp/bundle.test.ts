/** Tests of the one transport that all sections share: bundles, the address, RTCP, ICE, fingerprints, DTLS roles. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refusalOf } from '../testing/refusal.ts';
import { OBS_OFFER } from '../testing/sdp-fixtures.ts';
import { answerSetup, negotiateTransport, remoteDtlsParameters, type NegotiatedTransport } from './bundle.ts';
import { parseSdpOffer } from './sdp-offer.ts';

/** Serves these sections of the offer; all by default. */
function negotiate(text: string, indexes?: readonly number[]): NegotiatedTransport {
	const offer = parseSdpOffer(text);
	const media = offer.sections.map((section) => section.media).filter((one) => one !== undefined);
	return negotiateTransport(
		offer,
		media.filter(({ index }) => indexes?.includes(index) ?? true),
	);
}

function refusal(text: string, indexes?: readonly number[]): string {
	const { code, message } = refusalOf(() => negotiate(text, indexes));
	return `${code} ${message}`;
}

const UNBUNDLED = OBS_OFFER.replace('a=group:BUNDLE 0 1\r\n', '');
const OTHER_FINGERPRINT = `a=fingerprint:sha-1 ${Array.from({ length: 20 }, () => 'EE').join(':')}`;
/** Each section has its own transport lines, as browsers write them without max-bundle. */
const OWN_TRANSPORTS = OBS_OFFER.replace(
	'a=mid:1\r\n',
	`a=mid:1\r\na=ice-ufrag:other\r\na=ice-pwd:anotherIcePasswordOfTheOffer\r\na=setup:passive\r\n${OTHER_FINGERPRINT}\r\n`,
);

describe('negotiateTransport', () => {
	it('answers with the offered group, less what is not served (RFC 9143 §7.3.3)', () => {
		expect(negotiate(OBS_OFFER).bundle).toEqual(['0', '1']);
		expect(negotiate(OBS_OFFER.replace('BUNDLE 0 1', 'BUNDLE 1 0 9')).bundle).toEqual(['1', '0']);
		expect(negotiate(OBS_OFFER, [1]).bundle).toEqual(['1']);
	});

	it('uses fingerprint and role of the first served section of the group, not of the offer (RFC 9143 §7.3.1)', () => {
		expect(negotiate(OWN_TRANSPORTS)).toMatchObject({ setup: 'actpass', fingerprint: { algorithm: 'sha-256' } });
		const other = { setup: 'passive', fingerprint: { algorithm: 'sha-1' } };
		expect(negotiate(OWN_TRANSPORTS.replace('BUNDLE 0 1', 'BUNDLE 1 0'))).toMatchObject(other);
		expect(negotiate(OWN_TRANSPORTS, [1])).toMatchObject(other);
	});

	it('writes the fingerprint in the form that mediasoup compares', () => {
		const expected = negotiate(OBS_OFFER).fingerprint;
		const rewrite = (change: (line: string) => string): string =>
			OBS_OFFER.replaceAll(/a=fingerprint:.*/g, (line) => change(line));
		expect(negotiate(rewrite((line) => line.toLowerCase())).fingerprint).toEqual(expected);
		expect(negotiate(rewrite((line) => line.replace('sha-256', 'SHA-256'))).fingerprint).toEqual(expected);
	});

	it('chooses the strongest known one of several fingerprints, at any place (RFC 8122 §5)', () => {
		const own = /a=fingerprint:.*/.exec(OBS_OFFER)![0];
		const orders = fc.shuffledSubarray([own, OTHER_FINGERPRINT, 'a=fingerprint:md2 AA:BB'], { minLength: 3 });
		fc.assert(
			fc.property(orders, fc.boolean(), (lines, isOfSession) => {
				const text = OBS_OFFER.replaceAll(/a=fingerprint:.*\r\n/g, '');
				const offer = isOfSession
					? text.replace('t=0 0\r\n', `t=0 0\r\n${lines.join('\r\n')}\r\n`)
					: text.replaceAll(/a=mid:.*\r\n/g, (mid) => `${mid}${lines.join('\r\n')}\r\n`);
				expect(negotiate(offer).fingerprint).toEqual(negotiate(OBS_OFFER).fingerprint);
			}),
		);
	});

	it('accepts one section without a group, and writes none', () => {
		expect(negotiate(UNBUNDLED, [1]).bundle).toBeUndefined();
	});

	it.each([
		['no group', UNBUNDLED],
		['groups apart', OBS_OFFER.replace('a=group:BUNDLE 0 1', 'a=group:BUNDLE 0\r\na=group:BUNDLE 1')],
		['a group of one', OBS_OFFER.replace('BUNDLE 0 1', 'BUNDLE 0')],
		['no mid', OBS_OFFER.replace('a=mid:1\r\n', '')],
	])('refuses two sections with %s, and names the setting', (_name, text) => {
		expect(refusal(text)).toMatch(/^SDP_OFFER_UNSUPPORTED .*not in one BUNDLE group.*bundle-policy=max-bundle/);
	});

	it('refuses a bundle whose only address is in a section that is not served (RFC 9143 §7.3.1)', () => {
		const offer = OBS_OFFER.replace('m=video 9 ', 'm=video 0 ').replace('a=mid:1', 'a=bundle-only\r\na=mid:1');
		expect(negotiate(offer).bundle).toEqual(['0', '1']);
		expect(refusal(offer, [1])).toContain('stands in a section that is not served');
	});

	it('accepts an ICE password with characters that only base64 has', () => {
		const offer = OBS_OFFER.replace(/a=ice-pwd:.*/, 'a=ice-pwd:YWJjZGVmZ2hpamtsbW5vcHFyc3Q=');
		expect(negotiate(offer).bundle).toEqual(['0', '1']);
	});

	it('assumes actpass where no role is offered (RFC 8842 §5.1)', () => {
		expect(negotiate(OBS_OFFER.replace('a=setup:actpass\r\n', '')).setup).toBe('actpass');
	});

	it.each([
		['an ICE-lite client', OBS_OFFER.replace('t=0 0', 't=0 0\r\na=ice-lite'), 'a full ICE agent'],
		[
			'RTCP on its own port',
			OBS_OFFER.replace('a=rtcp-mux\r\n', ''),
			'the audio section wants RTCP on a port of its own',
		],
		['no ICE credentials', OBS_OFFER.replace(/a=ice-pwd.*\r\n/, ''), 'has no ice-ufrag and ice-pwd'],
		[
			'a short ICE password',
			OBS_OFFER.replace(/a=ice-pwd:.*/, 'a=ice-pwd:short'),
			'ice-pwd of the audio section has 5',
		],
		[
			'a long ICE name',
			OBS_OFFER.replace(/a=ice-ufrag:.*/, `a=ice-ufrag:${'x'.repeat(257)}`),
			'has 257 characters; 4 to',
		],
		['no fingerprint', OBS_OFFER.replace(/a=fingerprint.*\r\n/, ''), 'has no DTLS fingerprint'],
		['an unknown fingerprint', OBS_OFFER.replace('sha-256', 'md5'), 'the fingerprint algorithm "md5" is not known'],
		['a short fingerprint', OBS_OFFER.replace('sha-256 00:11:', 'sha-256 '), 'is not 32 pairs of hexadecimal digits'],
		['a fingerprint of letters', OBS_OFFER.replace('sha-256 00:', 'sha-256 ZZ:'), 'is not 32 pairs of hexadecimal'],
		['a held connection', OBS_OFFER.replace('setup:actpass', 'setup:holdconn'), 'a=setup:holdconn cannot be answered'],
	])('refuses %s', (_name, text, message) => {
		expect(refusal(text)).toContain(message);
	});
});

describe('the DTLS role', () => {
	it.each([
		['actpass', 'passive', 'client'],
		['active', 'passive', 'client'],
		['passive', 'active', 'server'],
	] as const)('for an offer of %s the answer is %s and the other side is the %s', (setup, answered, remoteRole) => {
		expect(answerSetup(setup)).toBe(answered);
		const transport = { ...negotiate(OBS_OFFER), setup };
		expect(remoteDtlsParameters(transport)).toEqual({ role: remoteRole, fingerprints: [transport.fingerprint] });
	});
});
