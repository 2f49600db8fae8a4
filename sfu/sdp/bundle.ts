/**
 * The one transport that all served sections share (RFC 9143): which sections can be bundled, and whose address,
 * fingerprint and DTLS role count. Pure.
 */
import type { DtlsParameters } from 'mediasoup/types';
import { SpillwayError } from '../../core/errors/errors.ts';
import {
	printable,
	type OfferedFingerprint,
	type OfferedMedia,
	type OfferedSection,
	type SdpOffer,
} from './sdp-offer.ts';

export type NegotiatedTransport = {
	/** The mids of the answer's BUNDLE group; undefined when the offer has none. */
	bundle: readonly string[] | undefined;
	fingerprint: { algorithm: string; value: string };
	/** The offerer's. */
	setup: 'actpass' | 'active' | 'passive';
};

/** Hashes by which mediasoup verifies a certificate, with their length in bytes. */
const FINGERPRINT_BYTES: Readonly<Record<string, number>> = {
	'sha-1': 20,
	'sha-224': 28,
	'sha-256': 32,
	'sha-384': 48,
	'sha-512': 64,
};

/** Throws SDP_OFFER_UNSUPPORTED when one transport cannot carry all that is served, SDP_MALFORMED when unusable. */
export function negotiateTransport(offer: SdpOffer, served: readonly OfferedMedia[]): NegotiatedTransport {
	if (offer.isIceLite) {
		// RFC 8445 §2.4: neither side begins a check.
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			'it says a=ice-lite, and so does this server; one side has to be a full ICE agent',
		]);
	}
	const sections = served.map(({ index }) => offer.sections[index]!);
	const group = offer.bundleGroups.find((mids) => sections.every(({ mid }) => mid !== undefined && mids.includes(mid)));
	if (group === undefined && sections.length > 1) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			'its audio and video are not in one BUNDLE group, and this server has one transport for both; ' +
				'set bundlePolicy to "max-bundle" (GStreamer: webrtcbin bundle-policy=max-bundle), so that it has a line such as "a=group:BUNDLE 0 1"',
		]);
	}
	const tagged = group === undefined ? sections[0]! : findTagged(group, sections);
	if (tagged === undefined || tagged.hasNoPort) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			'the address of its BUNDLE group stands in a section that is not served; put audio and video first, or give each a port',
		]);
	}
	const { transport } = tagged;
	const name = `the ${tagged.type} section`;
	if (!transport.hasRtcpMux) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`${name} wants RTCP on a port of its own; only RTCP on the same port is supported (a=rtcp-mux)`,
		]);
	}
	checkIceCredentials(transport, name);
	return {
		bundle: group?.filter((mid) => sections.some((section) => section.mid === mid)),
		fingerprint: chooseFingerprint(transport.fingerprints, name),
		setup: readSetup(transport.setup ?? 'actpass'),
	};
}

/** The answer's DTLS role: passive, which OBS expects, unless the offer is passive. */
export function answerSetup(offered: NegotiatedTransport['setup']): 'active' | 'passive' {
	return offered === 'passive' ? 'active' : 'passive';
}

/** The other side's role for mediasoup, with its fingerprint (RFC 8122 §5). */
export function remoteDtlsParameters({ fingerprint, setup }: NegotiatedTransport): DtlsParameters {
	return {
		role: answerSetup(setup) === 'active' ? 'server' : 'client',
		fingerprints: [fingerprint as DtlsParameters['fingerprints'][number]],
	};
}

// RFC 9143 §7.3.1: the first one of the group that is not refused and has a port.
function findTagged(group: readonly string[], sections: readonly OfferedSection[]): OfferedSection | undefined {
	return group
		.map((mid) => sections.find((section) => section.mid === mid))
		.find((section) => section !== undefined && !section.hasNoPort);
}

// RFC 8839 §5.4 gives the lengths. It allows letters, digits, "+" and "/" only, but the "=" of base64 occurs as well,
// and the server of an ICE-lite pair uses neither value.
function checkIceCredentials({ iceUfrag, icePwd }: OfferedSection['transport'], name: string): void {
	if (iceUfrag === undefined || icePwd === undefined) {
		throw new SpillwayError('SDP_MALFORMED', [`${name} has no ice-ufrag and ice-pwd`]);
	}
	for (const [what, value, least] of [
		['ice-ufrag', iceUfrag, 4],
		['ice-pwd', icePwd, 22],
	] as const) {
		if (value.length < least || value.length > 256) {
			throw new SpillwayError('SDP_MALFORMED', [
				`the ${what} of ${name} has ${value.length} characters; ${least} to 256 are allowed`,
			]);
		}
	}
}

// RFC 8122 §5: one for each hash that the client knows; the strongest that we know counts. mediasoup compares the
// digits in upper case, as the RFC requires, but not every client writes them so.
function chooseFingerprint(
	fingerprints: readonly OfferedFingerprint[],
	name: string,
): NegotiatedTransport['fingerprint'] {
	if (fingerprints.length === 0) {
		throw new SpillwayError('SDP_MALFORMED', [`${name} has no DTLS fingerprint`]);
	}
	const known = fingerprints
		.map(({ type, hash }) => ({ algorithm: type.toLowerCase(), value: hash.toUpperCase() }))
		.filter(({ algorithm }) => Object.hasOwn(FINGERPRINT_BYTES, algorithm))
		.toSorted((a, b) => FINGERPRINT_BYTES[b.algorithm]! - FINGERPRINT_BYTES[a.algorithm]!);
	const [chosen] = known;
	if (chosen === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the fingerprint algorithm "${printable(fingerprints[0]!.type)}" is not known`,
		]);
	}
	const byteCount = FINGERPRINT_BYTES[chosen.algorithm]!;
	if (!new RegExp(`^(?:[0-9A-F]{2}:){${byteCount - 1}}[0-9A-F]{2}$`).test(chosen.value)) {
		throw new SpillwayError('SDP_MALFORMED', [
			`the fingerprint of ${name} is not ${byteCount} pairs of hexadecimal digits with colons, as ${chosen.algorithm} has`,
		]);
	}
	return chosen;
}

function readSetup(value: string): NegotiatedTransport['setup'] {
	if (value === 'actpass' || value === 'active' || value === 'passive') {
		return value;
	}
	throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
		`a=setup:${printable(value)} cannot be answered; offer a=setup:actpass`,
	]);
}
