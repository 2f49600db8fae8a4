/** Reads an SDP offer (RFC 8866, RFC 8829) into what WHIP and WHEP need of it, within bounds. Knows nothing of mediasoup. */
import * as sdpTransform from 'sdp-transform';
import { SpillwayError } from '../../core/errors.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';

/** A codec of an m-section. */
export type OfferedCodec = {
	payloadType: number;
	/** Lower case, such as `h264` or `opus`. */
	name: string;
	clockRate: number;
	channelCount: number | undefined;
	/** Format parameters, names in lower case. */
	parameters: Record<string, string | number>;
	/** Such as `nack` or `nack pli`. */
	feedback: string[];
};

/** One m-section. */
export type OfferedMedia = {
	kind: 'audio' | 'video';
	mid: string;
	direction: 'sendonly' | 'recvonly' | 'sendrecv' | 'inactive';
	/** In the offerer's order of preference. */
	codecs: OfferedCodec[];
	headerExtensions: { id: number; uri: string }[];
	/** Media SSRC → RTX SSRC, in order; empty when the offer names none. */
	ssrcs: { ssrc: number; rtxSsrc: number | undefined }[];
	/** Names of simulcast layers, in the offered order. */
	rids: string[];
	streamId: string | undefined;
	iceUfrag: string;
	icePwd: string;
	fingerprint: { algorithm: string; value: string };
	setup: 'actpass' | 'active' | 'passive';
};

/** An offer's m-sections, in order. */
export type SdpOffer = { media: OfferedMedia[] };

/** A long Chromium offer has 8 kB. */
export const MAX_SDP_BYTES = 64 * 1024;
const MAX_MEDIA_SECTIONS = 8;
const MAX_LINES = 2000;
const MAX_RIDS = 4;
/** What mediasoup verifies a certificate by, with the length of each hash in bytes. */
const FINGERPRINT_BYTES: Readonly<Record<string, number>> = {
	'sha-1': 20,
	'sha-224': 28,
	'sha-256': 32,
	'sha-384': 48,
	'sha-512': 64,
};

/** Parses an offer; throws SDP_MALFORMED when it is no offer, SDP_OFFER_UNSUPPORTED when it can never be accepted. */
export function parseSdpOffer(text: string): SdpOffer {
	if (text.length > MAX_SDP_BYTES) {
		throw new SpillwayError('BODY_TOO_LARGE', [MAX_SDP_BYTES]);
	}
	if (!/^v=0\r?\n/.test(text)) {
		throw new SpillwayError('SDP_MALFORMED', ['it does not begin with "v=0"']);
	}
	if (text.split('\n').length > MAX_LINES) {
		throw new SpillwayError('SDP_MALFORMED', [`it has more than ${MAX_LINES} lines`]);
	}
	let session: sdpTransform.SessionDescription;
	try {
		session = sdpTransform.parse(text);
	} catch (error) {
		throw new SpillwayError('SDP_MALFORMED', ['a line cannot be parsed'], { cause: error });
	}
	if (session.media.length === 0) {
		throw new SpillwayError('SDP_MALFORMED', ['it has no media section']);
	}
	if (session.media.length > MAX_MEDIA_SECTIONS) {
		throw new SpillwayError('SDP_MALFORMED', [`it has more than ${MAX_MEDIA_SECTIONS} media sections`]);
	}
	const media = session.media.map((section, index) => readMedia(session, section, index));
	// mediasoup tells sections and streams apart by these; each has to be there once (RFC 8843 §9.2, RFC 3550 §8).
	if (hasDuplicates(media.map(({ mid }) => mid))) {
		throw new SpillwayError('SDP_MALFORMED', ['two media sections have the same mid']);
	}
	if (
		hasDuplicates(
			media.flatMap(({ ssrcs }) =>
				ssrcs.flatMap(({ ssrc, rtxSsrc }) => (rtxSsrc === undefined ? [ssrc] : [ssrc, rtxSsrc])),
			),
		)
	) {
		throw new SpillwayError('SDP_MALFORMED', ['two streams have the same SSRC']);
	}
	return { media };
}

type ParsedMedia = sdpTransform.SessionDescription['media'][number];

function readMedia(session: sdpTransform.SessionDescription, media: ParsedMedia, index: number): OfferedMedia {
	const kind = String(media.type);
	if (kind !== 'audio' && kind !== 'video') {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`media section ${index} is "${printable(kind)}"; only audio and video are taken`,
		]);
	}
	if (!/^UDP\/TLS\/RTP\/SAVPF?$/.test(media.protocol)) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`media section ${index} goes by "${printable(media.protocol)}"; only UDP/TLS/RTP/SAVPF is taken`,
		]);
	}
	// RFC 3264 §5.1: port 0 offers a stream that is not wanted; RFC 8843 §6: unless it only comes in the bundle.
	if (media.port === 0 && media.bundleOnly === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`media section ${index} is switched off (its port is 0)`]);
	}
	const { iceUfrag, icePwd } = readIceCredentials(media, session, index);
	const fingerprint = readFingerprint(media.fingerprint ?? session.fingerprint, index);
	const rids = (media.rids ?? []).filter((rid) => rid.direction === 'send').map((rid) => String(rid.id));
	if (rids.length > MAX_RIDS) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`more than ${MAX_RIDS} simulcast layers are offered`]);
	}
	return {
		kind,
		mid: String(media.mid ?? index),
		direction: media.direction ?? session.direction ?? 'sendrecv',
		codecs: readCodecs(media, index),
		headerExtensions: (media.ext ?? [])
			.filter(({ value }) => value >= 1 && value <= 255)
			.map((ext) => ({ id: ext.value, uri: ext.uri })),
		ssrcs: readSsrcs(media),
		rids,
		streamId: media.msid?.[0]?.id,
		iceUfrag,
		icePwd,
		fingerprint,
		setup: readSetup(media.setup ?? session.setup ?? 'actpass'),
	};
}

// RFC 8839 §5.4 gives the lengths and the characters.
function readIceCredentials(
	media: ParsedMedia,
	session: sdpTransform.SessionDescription,
	index: number,
): Pick<OfferedMedia, 'iceUfrag' | 'icePwd'> {
	const iceUfrag = media.iceUfrag ?? session.iceUfrag;
	const icePwd = media.icePwd ?? session.icePwd;
	if (iceUfrag === undefined || icePwd === undefined) {
		throw new SpillwayError('SDP_MALFORMED', [`media section ${index} has no ice-ufrag and ice-pwd`]);
	}
	if (!/^[\w+/-]{4,256}$/.test(String(iceUfrag)) || !/^[\w+/-]{22,256}$/.test(String(icePwd))) {
		throw new SpillwayError('SDP_MALFORMED', [
			`media section ${index} has an ice-ufrag of less than 4 or an ice-pwd of less than 22 letters and digits`,
		]);
	}
	return { iceUfrag: String(iceUfrag), icePwd: String(icePwd) };
}

// RFC 8122 §5.
function readFingerprint(
	fingerprint: { type: string; hash: string } | undefined,
	index: number,
): OfferedMedia['fingerprint'] {
	if (fingerprint === undefined) {
		throw new SpillwayError('SDP_MALFORMED', [`media section ${index} has no DTLS fingerprint`]);
	}
	const algorithm = fingerprint.type.toLowerCase();
	const byteCount = Object.hasOwn(FINGERPRINT_BYTES, algorithm) ? FINGERPRINT_BYTES[algorithm] : undefined;
	if (byteCount === undefined) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the fingerprint algorithm "${printable(fingerprint.type)}" is not known`,
		]);
	}
	if (!new RegExp(`^(?:[0-9a-f]{2}:){${byteCount - 1}}[0-9a-f]{2}$`, 'i').test(fingerprint.hash)) {
		throw new SpillwayError('SDP_MALFORMED', [
			`the fingerprint of media section ${index} is not ${byteCount} pairs of hexadecimal digits with colons, as ${algorithm} has`,
		]);
	}
	return { algorithm, value: fingerprint.hash };
}

function readCodecs(media: ParsedMedia, index: number): OfferedCodec[] {
	const codecs: OfferedCodec[] = [];
	const tokens = String(media.payloads ?? '').split(' ');
	if (hasDuplicates(tokens)) {
		throw new SpillwayError('SDP_MALFORMED', [`media section ${index} names a payload type twice`]);
	}
	for (const token of tokens) {
		// RFC 3550 §5.1: seven bits.
		if (!/^\d{1,3}$/.test(token) || Number(token) > 127) {
			throw new SpillwayError('SDP_MALFORMED', [
				`media section ${index} has the payload type "${printable(token)}"; 0 to 127 exist`,
			]);
		}
		const payloadType = Number(token);
		const rtp = media.rtp.find((entry) => entry.payload === payloadType);
		if (rtp === undefined || codecs.length >= 64) {
			continue;
		}
		const name = rtp.codec.toLowerCase();
		// RFC 6184 §8.2.1, RFC 7741 §6.1: the rate is 90000. mediasoup knows no others.
		if ((name === 'h264' || name === 'vp8') && rtp.rate !== VIDEO_CLOCK_RATE) {
			continue;
		}
		const parameters: Record<string, string | number> = {};
		for (const entry of media.fmtp.filter((fmtp) => fmtp.payload === payloadType)) {
			for (const pair of entry.config.split(';')) {
				// Values in Base64 end in signs of equality.
				const [, name, value] = /^([^=]*)(?:=(.*))?$/s.exec(pair.trim()) ?? [];
				if (name !== undefined && /^[\w-]+$/.test(name) && name !== '__proto__') {
					parameters[name.toLowerCase()] = value === undefined ? 1 : /^\d{1,9}$/.test(value) ? Number(value) : value;
				}
			}
		}
		// RFC 6184 §8.1.
		const profile = parameters['profile-level-id'];
		if (name === 'h264' && profile !== undefined && !/^[\da-f]{6}$/i.test(String(profile))) {
			throw new SpillwayError('SDP_MALFORMED', [
				`the profile-level-id "${printable(String(profile))}" is not six hexadecimal digits`,
			]);
		}
		codecs.push({
			payloadType,
			name,
			clockRate: rtp.rate ?? 0,
			channelCount: rtp.encoding === undefined ? undefined : Number(rtp.encoding),
			parameters,
			feedback: (media.rtcpFb ?? [])
				.filter((fb) => String(fb.payload) === token || String(fb.payload) === '*')
				.map((fb) => (fb.subtype === undefined ? fb.type : `${fb.type} ${fb.subtype}`)),
		});
	}
	return codecs;
}

function readSsrcs(media: ParsedMedia): { ssrc: number; rtxSsrc: number | undefined }[] {
	const rtxOf = new Map<number, number>();
	for (const group of media.ssrcGroups ?? []) {
		const [ssrc, rtxSsrc] = group.ssrcs.split(' ').map(Number);
		if (group.semantics === 'FID' && isSsrc(ssrc) && isSsrc(rtxSsrc)) {
			rtxOf.set(ssrc, rtxSsrc);
		}
	}
	const rtxSsrcs = new Set(rtxOf.values());
	const all = [...new Set((media.ssrcs ?? []).map((entry) => Number(entry.id)))].filter(isSsrc).slice(0, 16);
	return all.filter((ssrc) => !rtxSsrcs.has(ssrc)).map((ssrc) => ({ ssrc, rtxSsrc: rtxOf.get(ssrc) }));
}

function hasDuplicates(values: readonly unknown[]): boolean {
	return new Set(values).size < values.length;
}

function isSsrc(value: number | undefined): value is number {
	return value !== undefined && Number.isInteger(value) && value > 0 && value <= 0xffff_ffff;
}

function readSetup(value: string): 'actpass' | 'active' | 'passive' {
	if (value === 'actpass' || value === 'active' || value === 'passive') {
		return value;
	}
	throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`a=setup:${printable(value)} cannot be answered`]);
}

/** What a stranger wrote, safe to put into a message. */
function printable(text: string): string {
	return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 40);
}
