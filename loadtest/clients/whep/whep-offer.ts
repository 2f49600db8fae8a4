/** The virtual viewer's WHEP offer, and the reading of its answer. Text only. */
import { type AnswerFacts, parseAnswer } from '../whip/obs-offer.ts';

const ABS_CAPTURE_TIME_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
const MID_URI = 'urn:ietf:params:rtp-hdrext:sdes:mid';
/** mediasoup accepts an extension only under its own id for it. Other servers accept any id. */
const ABS_CAPTURE_TIME_ID = 10;
const MAX_ANSWER_LENGTH = 65_536;

/** One stream that the server sends. */
export type AnsweredTrack = {
	kind: 'audio' | 'video';
	payloadType: number;
	clockRate: number;
	/** Of abs-capture-time; undefined where the server does not send it: latency is unknown then. */
	captureTimeExtensionId: number | undefined;
};

export type WhepAnswer = AnswerFacts & { tracks: AnsweredTrack[] };

/**
 * An offer to receive one audio and one H.264 video stream, with NACK. Without congestion feedback: the wire is ours,
 * and bandwidth estimation costs the server time that the load test does not measure.
 */
export function whepOffer(values: { usernameFragment: string; password: string; fingerprint: string }): string {
	const section = (kind: string, mid: number, payloadType: number, lines: string[]): string[] => [
		...[`m=${kind} 9 UDP/TLS/RTP/SAVPF ${payloadType}`, 'c=IN IP4 0.0.0.0', `a=mid:${mid}`, 'a=recvonly', 'a=rtcp-mux'],
		...[`a=ice-ufrag:${values.usernameFragment}`, `a=ice-pwd:${values.password}`],
		...[`a=fingerprint:${values.fingerprint}`, 'a=setup:actpass'],
		...[`a=extmap:1 ${MID_URI}`, `a=extmap:${ABS_CAPTURE_TIME_ID} ${ABS_CAPTURE_TIME_URI}`],
		...lines,
	];
	const lines = [
		...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1', 'a=msid-semantic: WMS *'],
		...section('audio', 0, 111, ['a=rtpmap:111 opus/48000/2', 'a=fmtp:111 minptime=10;useinbandfec=1;stereo=1']),
		...section('video', 1, 96, [
			...['a=rtpmap:96 H264/90000', 'a=rtcp-fb:96 nack', 'a=rtcp-fb:96 nack pli'],
			'a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
		]),
	];
	return `${lines.join('\r\n')}\r\n`;
}

/** An offer that is answered but never connected. */
export function unconnectedOffer(usernameFragment: string): string {
	const fingerprint = `sha-256 ${Array.from({ length: 32 }, () => 'AB').join(':')}`;
	return whepOffer({ usernameFragment, password: 'p'.repeat(24), fingerprint });
}

/** Reads an answer, also of other servers. Throws Error, naming what is missing. */
export function parseWhepAnswer(sdp: string): WhepAnswer {
	if (sdp.length > MAX_ANSWER_LENGTH) {
		throw new Error(`The SDP answer has ${sdp.length} characters.`);
	}
	const facts = parseAnswer(sdp);
	const tracks: AnsweredTrack[] = [];
	for (const section of sdp.split(/^(?=m=)/m).slice(1)) {
		const kind = /^m=(audio|video) (\d+)/.exec(section);
		const map = /^a=rtpmap:(\d+) [\w-]+\/(\d+)/m.exec(section);
		if (kind === null || kind[2] === '0' || map === null) {
			continue;
		}
		const extension = [...section.matchAll(/^a=extmap:(\d+)\S* (\S+)/gm)].find(
			([, , uri]) => uri === ABS_CAPTURE_TIME_URI,
		);
		tracks.push({
			kind: kind[1] as 'audio' | 'video',
			payloadType: Number(map[1]),
			clockRate: Number(map[2]),
			captureTimeExtensionId: extension === undefined ? undefined : Number(extension[1]),
		});
	}
	if (tracks.length === 0) {
		throw new Error('The SDP answer accepts neither picture nor sound.');
	}
	return { ...facts, tracks };
}

/** The candidates with other ports, so that a proxy can be between a viewer and the server. */
export function mapCandidatePorts(candidates: readonly string[], ports: Readonly<Record<number, number>>): string[] {
	return candidates.map((candidate) =>
		candidate.replace(
			/^(\S+ \d+ \S+ \d+ \S+) (\d+)/,
			(_, head: string, port: string) => `${head} ${ports[Number(port)] ?? port}`,
		),
	);
}
