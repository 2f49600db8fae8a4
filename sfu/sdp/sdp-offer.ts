/** Reads an SDP offer (RFC 8866, RFC 8829) into what WHIP and WHEP need, within bounds. Independent of mediasoup. */
import * as sdpTransform from 'sdp-transform';
import { SpillwayError } from '../../core/errors/errors.ts';
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

/** Audio or video that can be sent or received. */
export type OfferedMedia = {
	kind: 'audio' | 'video';
	/** Its place in {@link SdpOffer.sections}. */
	index: number;
	mid: string | undefined;
	direction: 'sendonly' | 'recvonly' | 'sendrecv' | 'inactive';
	/** In the offerer's order of preference. */
	codecs: OfferedCodec[];
	headerExtensions: { id: number; uri: string }[];
	/** Media SSRC → RTX SSRC, in order; empty when the offer names none. */
	ssrcs: { ssrc: number; rtxSsrc: number | undefined }[];
	/** Names of simulcast layers, in the offered order, which is not that of their size. */
	rids: string[];
	streamId: string | undefined;
};

/** The hash of a DTLS certificate (RFC 8122 §5), not checked. */
export type OfferedFingerprint = { type: string; hash: string };

/** An m-section's own transport, not checked: in a bundle only one section's counts. */
type OfferedTransport = {
	iceUfrag: string | undefined;
	icePwd: string | undefined;
	/** In the offered order; a client may write one for each hash that it knows. */
	fingerprints: OfferedFingerprint[];
	setup: string | undefined;
	hasRtcpMux: boolean;
};

/** One m-section of any kind. Each has to be answered (RFC 3264 §6). */
export type OfferedSection = {
	/** Such as `audio` or `application`. */
	type: string;
	/** As the answer has to repeat it. */
	protocol: string;
	/** The first one; a refusal has to name one. */
	format: string;
	mid: string | undefined;
	/** Its port is 0, so it has no address. */
	hasNoPort: boolean;
	transport: OfferedTransport;
	/** Undefined when it is switched off, or of a kind that is not served. */
	media: OfferedMedia | undefined;
};

export type SdpOffer = {
	sections: OfferedSection[];
	/** The mids of each group, in the offered order. */
	bundleGroups: string[][];
	isIceLite: boolean;
};

/** A long Chromium offer has 8 kB. */
export const MAX_SDP_BYTES = 64 * 1024;
const MAX_MEDIA_SECTIONS = 8;
const MAX_LINES = 2000;
const MAX_RIDS = 4;

/** Parses an offer; throws SDP_MALFORMED when it is no offer, SDP_OFFER_UNSUPPORTED when it can never be accepted. */
export function parseSdpOffer(text: string): SdpOffer {
	if (text.length > MAX_SDP_BYTES) {
		throw new SpillwayError('BODY_TOO_LARGE', [MAX_SDP_BYTES]);
	}
	refuseIf(!/^v=0\r?\n/.test(text), 'it does not begin with "v=0"');
	refuseIf(text.split('\n').length > MAX_LINES, `it has more than ${MAX_LINES} lines`);
	let session: sdpTransform.SessionDescription;
	try {
		session = sdpTransform.parse(text);
	} catch (error) {
		throw new SpillwayError('SDP_MALFORMED', ['a line cannot be parsed'], { cause: error });
	}
	refuseIf(session.media.length === 0, 'it has no media section');
	refuseIf(session.media.length > MAX_MEDIA_SECTIONS, `it has more than ${MAX_MEDIA_SECTIONS} media sections`);
	const fingerprints = readFingerprints(text);
	const sections = session.media.map((section, index) => readSection(session, section, index, fingerprints));
	const bundleGroups = (session.groups ?? [])
		.filter(({ type }) => type === 'BUNDLE')
		.map(({ mids }) => splitWords(mids));
	// mediasoup distinguishes sections and streams by these, so each is unique (RFC 9143 §7.2 and §9.2, RFC 3550 §8).
	refuseIf(
		hasDuplicates(sections.map(({ mid }) => mid).filter((mid) => mid !== undefined)),
		'two media sections have the same mid',
	);
	refuseIf(hasDuplicates(bundleGroups.flat()), 'a media section is in the BUNDLE groups twice');
	// Some section has to have an address; the bundle decides which one counts.
	refuseIf(
		!sections.some(({ transport }) => transport.iceUfrag !== undefined && transport.icePwd !== undefined),
		'it has no ice-ufrag and ice-pwd',
	);
	refuseIf(!sections.some(({ transport }) => transport.fingerprints.length > 0), 'it has no DTLS fingerprint');
	const ssrcs = sections.flatMap(({ media }) => media?.ssrcs ?? []);
	refuseIf(
		hasDuplicates(ssrcs.flatMap(({ ssrc, rtxSsrc }) => (rtxSsrc === undefined ? [ssrc] : [ssrc, rtxSsrc]))),
		'two streams have the same SSRC',
	);
	return { sections, bundleGroups, isIceLite: session.icelite !== undefined };
}

function refuseIf(isMalformed: boolean, problem: string): void {
	if (isMalformed) {
		throw new SpillwayError('SDP_MALFORMED', [problem]);
	}
}

type ParsedMedia = sdpTransform.SessionDescription['media'][number];

// sdp-transform keeps only the last of several.
function readFingerprints(text: string): { session: OfferedFingerprint[]; media: OfferedFingerprint[][] } {
	const [session = [], ...media] = text
		.split(/^m=/m)
		.map((part) =>
			Array.from(part.matchAll(/^a=fingerprint:(\S+) +(\S+)/gm), ([, type, hash]) => ({ type: type!, hash: hash! })),
		);
	return { session, media };
}

function readSection(
	session: sdpTransform.SessionDescription,
	media: ParsedMedia,
	index: number,
	fingerprints: ReturnType<typeof readFingerprints>,
): OfferedSection {
	if (!media.type || !media.protocol || typeof media.port !== 'number') {
		throw new SpillwayError('SDP_MALFORMED', [`the m-line of media section ${index} cannot be read`]);
	}
	const ownFingerprints = fingerprints.media[index] ?? [];
	// RFC 3264 §5.1: port 0 offers a stream that is not wanted; RFC 9143 §6: unless it only comes in the bundle.
	const isOff = media.port === 0 && media.bundleOnly === undefined;
	return {
		type: String(media.type),
		protocol: media.protocol,
		format: printable(splitWords(media.payloads)[0] ?? '0'),
		mid: readMid(media, index),
		hasNoPort: media.port === 0,
		transport: {
			iceUfrag: asText(media.iceUfrag ?? session.iceUfrag),
			icePwd: asText(media.icePwd ?? session.icePwd),
			fingerprints: ownFingerprints.length > 0 ? ownFingerprints : fingerprints.session,
			setup: media.setup ?? session.setup,
			// sdp-transform also sets it for "rtcp-mux-only" (RFC 8858).
			hasRtcpMux: media.rtcpMux !== undefined,
		},
		media: isOff ? undefined : readMedia(session, media, index),
	};
}

// RFC 5888 §5: a token. The answer repeats it.
function readMid(media: ParsedMedia, index: number): string | undefined {
	const mid = asText(media.mid);
	refuseIf(
		mid !== undefined && !/^[!#$%&'*+\-.\w^`{|}~]{1,64}$/.test(mid),
		`the mid of media section ${index} is no token of 1 to 64 characters`,
	);
	return mid;
}

// RFC 8829 §5.1.2: a client may write any of these, with the same meaning.
const DTLS_SRTP = /^(?:(?:UDP\/TLS|TCP\/DTLS)\/)?RTP\/SAVPF?$/;

function readMedia(
	session: sdpTransform.SessionDescription,
	media: ParsedMedia,
	index: number,
): OfferedMedia | undefined {
	const kind = media.type as string;
	if (kind !== 'audio' && kind !== 'video') {
		return undefined;
	}
	if (!DTLS_SRTP.test(media.protocol)) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [
			`the ${kind} section goes by "${printable(media.protocol)}"; only UDP/TLS/RTP/SAVPF is taken`,
		]);
	}
	return {
		kind,
		index,
		mid: readMid(media, index),
		direction: media.direction ?? session.direction ?? 'sendrecv',
		codecs: readCodecs(media, index),
		headerExtensions: (media.ext ?? [])
			.filter(({ value }) => value >= 1 && value <= 255)
			.map((ext) => ({ id: ext.value, uri: ext.uri })),
		ssrcs: readSsrcs(media),
		rids: readSimulcastRids(media),
		streamId: media.msid?.[0]?.id,
	};
}

// RFC 8853 §5.1: streams are separated by semicolons, alternatives of one stream by commas; "~" starts one paused. A
// layer without an "a=rid" line does not count (§5.2).
function readSimulcastRids(media: ParsedMedia): string[] {
	const declared = new Set((media.rids ?? []).filter((rid) => rid.direction === 'send').map((rid) => String(rid.id)));
	const { simulcast } = media;
	const list = simulcast?.dir1 === 'send' ? simulcast.list1 : simulcast?.dir2 === 'send' ? simulcast.list2 : undefined;
	const rids = splitSimulcast(list).filter((rid) => declared.has(rid));
	if (rids.length > MAX_RIDS) {
		throw new SpillwayError('SDP_OFFER_UNSUPPORTED', [`more than ${MAX_RIDS} simulcast layers are offered`]);
	}
	refuseIf(hasDuplicates(rids), 'it names a simulcast layer twice');
	return rids;
}

function splitSimulcast(list: string | undefined): string[] {
	return (list ?? '').split(';').map((stream) => stream.split(',')[0]!.replace(/^~/, '').trim());
}

function readCodecs(media: ParsedMedia, index: number): OfferedCodec[] {
	const codecs: OfferedCodec[] = [];
	const tokens = String(media.payloads ?? '').split(' ');
	refuseIf(hasDuplicates(tokens), `media section ${index} names a payload type twice`);
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
		// RFC 6184 §8.2.1, RFC 7741 §6.1: the rate is 90000, the only one that mediasoup supports.
		if ((name === 'h264' || name === 'vp8') && rtp.rate !== VIDEO_CLOCK_RATE) {
			continue;
		}
		const parameters: Record<string, string | number> = {};
		for (const entry of media.fmtp.filter((fmtp) => fmtp.payload === payloadType)) {
			for (const pair of entry.config.split(';')) {
				// At the first "=" only: the base64 of parameter sets has its own.
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

function splitWords(text: string | undefined): string[] {
	return String(text ?? '')
		.split(' ')
		.filter((word) => word !== '');
}

/** sdp-transform makes numbers of words that look like one. */
export function asText(value: string | number | undefined): string | undefined {
	return value === undefined ? undefined : String(value);
}

/** Untrusted text, safe to put into a message. */
export function printable(text: string, maxLength = 40): string {
	return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, maxLength);
}
