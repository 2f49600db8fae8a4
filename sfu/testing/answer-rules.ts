/** The rules of an answer to an offer as separate checks of both texts, without the code under test. For tests only. */

type Section = {
	type: string;
	port: number;
	protocol: string;
	formats: string[];
	lines: string[];
};

type Description = { session: string[]; sections: Section[] };

/** Returns how an answer violates the rule. */
type AnswerRule = (offer: Description, answer: Description) => string[];

/** Reads only what the rules need. */
function readDescription(text: string): Description {
	const session: string[] = [];
	const sections: Section[] = [];
	for (const line of text.split(/\r?\n/)) {
		const m = /^m=(\S+) (\d+) (\S+) (.*)$/.exec(line);
		if (m !== null) {
			const [, type, port, protocol, formats] = m;
			sections.push({ type: type!, port: Number(port), protocol: protocol!, formats: formats!.split(' '), lines: [] });
		} else if (line !== '') {
			(sections.at(-1)?.lines ?? session).push(line);
		}
	}
	return { session, sections };
}

const values = (lines: readonly string[], name: string): string[] =>
	lines.filter((line) => line.startsWith(`a=${name}:`)).map((line) => line.slice(name.length + 3));
const value = (lines: readonly string[], name: string): string | undefined => values(lines, name)[0];
const has = (lines: readonly string[], flag: string): boolean => lines.includes(`a=${flag}`);
const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];
const direction = ({ lines }: Section, { session }: Description): string =>
	DIRECTIONS.find((one) => has(lines, one)) ?? DIRECTIONS.find((one) => has(session, one)) ?? 'sendrecv';
const groups = ({ session }: Description): string[][] =>
	values(session, 'group')
		.filter((group) => group.startsWith('BUNDLE'))
		.map((group) => group.split(' ').slice(1));
const isAccepted = ({ port }: Section): boolean => port !== 0;

/** Pairs of offered and answered sections, of those that are accepted. */
function accepted(offer: Description, answer: Description): [Section, Section][] {
	return answer.sections.flatMap((section, index): [Section, Section][] =>
		isAccepted(section) && offer.sections[index] !== undefined ? [[offer.sections[index], section]] : [],
	);
}

/** The rules by name. */
const ANSWER_RULES: Readonly<Record<string, AnswerRule>> = {
	'as many sections, of the same types, protocols and mids, in the same order (RFC 3264 §6)': (offer, answer) => {
		const words = ({ sections }: Description): string[] =>
			sections.map(({ type, protocol, lines }) => `${type} ${protocol} ${value(lines, 'mid') ?? '-'}`);
		return words(offer).join('\n') === words(answer).join('\n') ? [] : [words(answer).join(', ')];
	},
	'at least one section is accepted': (offer, answer) => (accepted(offer, answer).length > 0 ? [] : ['none']),
	'a group has only accepted sections of one offered group, and all that are accepted (RFC 9143 §7.3)': (
		offer,
		answer,
	) => {
		const answered = groups(answer);
		const mids = accepted(offer, answer).map(([, { lines }]) => value(lines, 'mid'));
		const isOffered = (group: readonly string[]): boolean =>
			groups(offer).some((offered) => group.every((mid) => offered.includes(mid)));
		if (answered.length > 1 || !answered.every(isOffered)) {
			return [`groups ${JSON.stringify(answered)}`];
		}
		const [group] = answered;
		if (group === undefined) {
			return mids.length > 1 ? ['several sections without a group'] : [];
		}
		return [...group].sort().join() === mids.sort().join() ? [] : [`${group.join()} for ${mids.join()}`];
	},
	'what is switched off stays so, and what only comes in a bundle is bundled (RFC 3264 §6, RFC 9143 §6)': (
		offer,
		answer,
	) =>
		accepted(offer, answer)
			.filter(([{ port, lines }]) => port === 0 && !(has(lines, 'bundle-only') && groups(answer).length > 0))
			.map(([{ type }]) => type),
	'the address of a bundle is that of an accepted section with a port (RFC 9143 §7.3.1)': (offer, answer) =>
		accepted(offer, answer).some(([{ port }]) => port !== 0) ? [] : ['no port'],
	'formats are offered ones, with the same codec and packetization mode (RFC 3264 §6.1, RFC 6184 §8.2.2)': (
		offer,
		answer,
	) =>
		accepted(offer, answer).flatMap(([offered, answered]) => {
			const codec = ({ lines }: Section, format: string): string | undefined =>
				values(lines, 'rtpmap')
					.find((map) => map.startsWith(`${format} `))
					?.toLowerCase();
			const mode = ({ lines }: Section, format: string): string => {
				const fmtp = values(lines, 'fmtp').find((line) => line.startsWith(`${format} `)) ?? '';
				return /packetization-mode=(\d)/.exec(fmtp)?.[1] ?? '0';
			};
			const isMedia = (format: string): boolean => /^\d+ (opus|h264|vp8)\//.test(codec(answered, format) ?? '');
			return [
				...answered.formats.filter(
					(format) =>
						!offered.formats.includes(format) ||
						codec(offered, format) === undefined ||
						codec(offered, format) !== codec(answered, format) ||
						mode(offered, format) !== mode(answered, format),
				),
				...(answered.formats.some(isMedia) ? [] : ['no codec']),
			];
		}),
	'directions complement each other (RFC 3264 §6.1)': (offer, answer) =>
		accepted(offer, answer)
			.map(([offered, answered]) => `${direction(offered, offer)} ${direction(answered, answer)}`)
			.filter((pair) => !/^(sendonly recvonly|recvonly sendonly|sendrecv (sendonly|recvonly))$/.test(pair)),
	'DTLS roles complement each other (RFC 8842 §5)': (offer, answer) => {
		const [first] = accepted(offer, answer);
		if (first === undefined) {
			return [];
		}
		const roles = new Set(accepted(offer, answer).map(([, { lines }]) => value(lines, 'setup')));
		const offered = new Set(
			accepted(offer, answer).map(([{ lines }]) => value(lines, 'setup') ?? value(offer.session, 'setup') ?? 'active'),
		);
		const fits = (role: string | undefined): boolean =>
			[...offered].some((other) => other === 'actpass' || (other === 'passive' ? 'active' : 'passive') === role);
		return roles.size === 1 && fits([...roles][0]) ? [] : [`${[...offered].join()} -> ${[...roles].join()}`];
	},
	'each accepted section shows how it is reached (RFC 8839 §4.2, RFC 8122 §5)': (offer, answer) =>
		accepted(offer, answer)
			.filter(([, { lines }]) =>
				['ice-ufrag', 'ice-pwd', 'fingerprint', 'setup', 'candidate'].some((name) => value(lines, name) === undefined),
			)
			.map(([, { type }]) => type),
	'one side begins the ICE checks (RFC 8445 §2.4)': ({ session }, answer) =>
		has(session, 'ice-lite') && has(answer.session, 'ice-lite') ? ['both are ICE lite'] : [],
	'RTCP shares the port only where that is offered (RFC 5761 §5.1.1)': (offer, answer) =>
		accepted(offer, answer).some(
			([{ port, lines }]) => port !== 0 && (has(lines, 'rtcp-mux') || has(lines, 'rtcp-mux-only')),
		)
			? []
			: ['rtcp-mux'],
	'header extensions are offered ones, and an id means one thing (RFC 8285 §6)': (offer, answer) => {
		const meaning = new Map<string, string>();
		return accepted(offer, answer).flatMap(([offered, answered]) =>
			values(answered.lines, 'extmap').filter((extension) => {
				const [id, uri] = extension.split(' ');
				const isKnown = values(offered.lines, 'extmap').includes(extension);
				const isSame = (meaning.get(id!) ?? uri) === uri;
				meaning.set(id!, uri!);
				return !isKnown || !isSame;
			}),
		);
	},
	'a payload type means one thing (RFC 9143 §9.1)': (offer, answer) => {
		const formats = accepted(offer, answer).flatMap(([, answered]) => answered.formats);
		return new Set(formats).size === formats.length ? [] : [formats.join()];
	},
	'simulcast layers are offered ones (RFC 8853 §5.3)': (offer, answer) =>
		accepted(offer, answer).flatMap(([offered, answered]) =>
			(value(answered.lines, 'simulcast') ?? '')
				.replace(/^recv /, '')
				.split(';')
				.filter((rid) => rid !== '' && !offered.lines.includes(`a=rid:${rid} send`)),
		),
	'received packets can be distinguished (RFC 8843 §9.2)': (offer, answer) =>
		accepted(offer, answer)
			.filter(([offered, answered]) => {
				const accepts = (uri: string): boolean => values(answered.lines, 'extmap').some((line) => line.endsWith(uri));
				return (
					has(answered.lines, 'recvonly') &&
					value(offered.lines, 'ssrc') === undefined &&
					!accepts('sdes:rtp-stream-id') &&
					!(accepts('sdes:mid') && value(answered.lines, 'mid') !== undefined)
				);
			})
			.map(([{ type }]) => type),
};

/** How an answer violates the rules; empty when it keeps them all. */
export function violatedRules(offerText: string, answerText: string): string[] {
	const [offer, answer] = [readDescription(offerText), readDescription(answerText)];
	return Object.entries(ANSWER_RULES).flatMap(([name, rule]) => rule(offer, answer).map((what) => `${name}: ${what}`));
}
