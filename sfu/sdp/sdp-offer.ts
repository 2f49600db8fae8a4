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
/** What mediasoup verifies a certificate by. */
const FINGERPRINT_ALGORITHMS: ReadonlySet<string> = new Set(['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512']);

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
	const iceUfrag = media.iceUfrag ?? session.iceUfrag;
	const icePwd = media.icePwd ?? session.icePwd;
	const fingerprint = media.fingerprint ?? session.fingerprint;
	if (iceUfrag === undefined || icePwd === undefined) {
		throw new SpillwayError('SDP_MALFORMED', [`media section ${index} has no ice-ufrag and ice-pwd`]);
	}
	if (fingerprint === undefined) {
		throw new SpillwayError('SDP_MALFORMED', [`media section ${index} has no DTLS fingerprint`]);
	}
	if (!FINGERPRINT_ALGORITHMS.has(fingerprint.type)) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the fingerprint algorithm "${printable(fingerprint.type)}" is not known`,
		]);
	}
	const rids = (media.rids ?? []).filter((rid) => rid.direction === 'send').map((rid) => String(rid.id));
	if (rids.length > MAX_RIDS) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`more than ${MAX_RIDS} simulcast layers are offered`]);
	}
	return {
		kind,
		mid: String(media.mid ?? index),
		direction: media.direction ?? session.direction ?? 'sendrecv',
		codecs: readCodecs(media),
		headerExtensions: (media.ext ?? [])
			.filter(({ value }) => value >= 1 && value <= 255)
			.map((ext) => ({ id: ext.value, uri: ext.uri })),
		ssrcs: readSsrcs(media),
		rids,
		streamId: media.msid?.[0]?.id,
		iceUfrag: String(iceUfrag),
		icePwd: String(icePwd),
		fingerprint: { algorithm: fingerprint.type, value: fingerprint.hash },
		setup: readSetup(media.setup ?? session.setup ?? 'actpass'),
	};
}

function readCodecs(media: ParsedMedia): OfferedCodec[] {
	const codecs: OfferedCodec[] = [];
	for (const token of String(media.payloads ?? '').split(' ')) {
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
				const [name, value] = pair.trim().split('=', 2);
				if (name !== undefined && /^[\w-]+$/.test(name) && name !== '__proto__') {
					parameters[name.toLowerCase()] = value === undefined ? 1 : /^\d{1,9}$/.test(value) ? Number(value) : value;
				}
			}
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
