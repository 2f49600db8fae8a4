/** OBS's WHIP offer: a captured request with the values of our session. Also reads the answers of WHIP and WHEP. */
import { readFileSync } from 'node:fs';

/** The values that differ from session to session. */
type OfferValues = {
	usernameFragment: string;
	password: string;
	/** `sha-256 AA:BB:…` */
	fingerprint: string;
	audioSsrc: number;
	videoSsrc: number;
};

/** The values of an SDP answer that a transport needs. */
export type AnswerFacts = {
	usernameFragment: string;
	password: string;
	fingerprint: { algorithm: string; value: string };
	/** DTLS role of the server. */
	setup: 'active' | 'passive';
	isIceLite: boolean;
	/** Each without `a=candidate:`. */
	candidates: string[];
};

/** Reads a captured request: headers by lower-case name, and the SDP with CRLF line ends. @internal for tests */
export function readCapturedRequest(text: string): { headers: Map<string, string>; sdp: string } {
	const lines = text.split(/\r?\n/);
	const empty = lines.indexOf('');
	const headers = new Map<string, string>();
	for (const line of lines.slice(0, empty)) {
		const match = /^([\w-]+): (.*)$/.exec(line);
		if (match !== null) {
			headers.set(match[1]!.toLowerCase(), match[2]!);
		}
	}
	const sdp = lines.slice(empty + 1).filter((line) => line !== '');
	return { headers, sdp: `${sdp.join('\r\n')}\r\n` };
}

/** The offer of OBS 32.2 with one to four layers. With more than one, its video has no SSRC. */
export function obsOffer(values: OfferValues, layerCount = 1): { sdp: string; userAgent: string } {
	const name = layerCount === 1 ? 'obs-32.2-whip-offer' : 'obs-32.2-whip-offer-simulcast';
	const text = readFileSync(new URL(`./fixtures/${name}.txt`, import.meta.url), 'utf8');
	const { headers, sdp } = readCapturedRequest(text);
	const rids = Array.from({ length: layerCount }, (_, index) => String(index));
	let kind = '';
	const captured = sdp.split('\r\n').filter((line) => !/^a=rid:[1-9]/.test(line));
	const lines = captured.flatMap((line) => {
		if (line.startsWith('a=rid:0 ')) {
			return rids.map((rid) => `a=rid:${rid} send`);
		}
		if (line.startsWith('a=simulcast:')) {
			return [`a=simulcast:send ${rids.join(';')}`];
		}
		kind = /^m=(\w+)/.exec(line)?.[1] ?? kind;
		const ssrc = kind === 'audio' ? values.audioSsrc : values.videoSsrc;
		return line
			.replace(/^a=ice-ufrag:.*/, `a=ice-ufrag:${values.usernameFragment}`)
			.replace(/^a=ice-pwd:.*/, `a=ice-pwd:${values.password}`)
			.replace(/^a=fingerprint:.*/, `a=fingerprint:${values.fingerprint}`)
			.replace(/^a=ssrc:\d+/, `a=ssrc:${ssrc}`);
	});
	return { sdp: lines.join('\r\n'), userAgent: headers.get('user-agent') ?? '' };
}

/** Reads an answer. Throws, naming what is missing, where OBS cannot connect either. */
export function parseAnswer(sdp: string): AnswerFacts {
	const value = (name: string): string => {
		const found = new RegExp(`^a=${name}:(.+?)\\s*$`, 'm').exec(sdp)?.[1];
		if (found === undefined) {
			throw new Error(`The SDP answer has no a=${name}.`);
		}
		return found;
	};
	const [algorithm, fingerprint] = value('fingerprint').split(' ');
	const setup = value('setup');
	if (setup !== 'active' && setup !== 'passive') {
		throw new Error(`The SDP answer says a=setup:${setup}; an answer must choose (RFC 5763 §5).`);
	}
	const candidates = [...sdp.matchAll(/^a=candidate:(.+?)\s*$/gm)].map((match) => match[1]!);
	if (candidates.length === 0) {
		throw new Error('The SDP answer has no candidates, and OBS takes none later.');
	}
	return {
		usernameFragment: value('ice-ufrag'),
		password: value('ice-pwd'),
		fingerprint: { algorithm: algorithm!, value: fingerprint ?? '' },
		setup,
		isIceLite: /^a=ice-lite\s*$/m.test(sdp),
		candidates: [...new Set(candidates)],
	};
}
