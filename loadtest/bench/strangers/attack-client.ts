/** HTTP of the attacks, with public addresses: the server trusts X-Forwarded-For from its own machine. */
import { Agent, request } from 'node:http';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { AttackContext } from './attack.ts';

const DEADLINE_MS = 15_000;
const MAX_CONNECTIONS = 256;

type AttackRequest = {
	method: 'GET' | 'POST';
	path: string;
	/** The address that the request claims to come from. */
	sender: string;
	body?: string;
	contentType?: string;
};

export class AttackClient {
	readonly #context: AttackContext;
	readonly #agent: Agent;

	constructor(context: AttackContext) {
		this.#context = context;
		const { fromAddress } = context.config;
		this.#agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, localAddress: fromAddress });
	}

	/** Sends a request and counts the answer under its status and code. Resolves with the body, empty without one. */
	async request({ method, path, sender, body, contentType }: AttackRequest): Promise<string> {
		const { config, count } = this.#context;
		const headers = {
			'x-forwarded-for': sender,
			...(body === undefined ? {} : { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
		};
		const answer = await new Promise<{ outcome: string; text: string }>((resolve) => {
			const sent = request(
				new URL(path, config.httpUrl),
				{ method, headers, agent: this.#agent, signal: AbortSignal.timeout(DEADLINE_MS) },
				(response) => {
					let text = '';
					response.setEncoding('utf8').on('data', (part: string) => (text += part));
					response.on('error', () => undefined);
					response.on('close', () => {
						const code = /"code":\s*"([A-Z_]+)"/.exec(text)?.[1];
						resolve({ outcome: `${response.statusCode}${code === undefined ? '' : ` ${code}`}`, text });
					});
				},
			);
			sent.on('error', (error: NodeJS.ErrnoException) => resolve({ outcome: error.code ?? error.name, text: '' }));
			sent.end(body);
		});
		count(answer.outcome);
		return answer.text;
	}
}

/** Begins an action at an even rate, without end, whether the one before is done or not. */
export async function atRate(perSecond: number, begin: (number: number) => void): Promise<never> {
	const fromMs = systemClock.monotonicMs();
	for (let begun = 0; ; await sleep(systemClock, 1000 / perSecond)) {
		for (; begun < ((systemClock.monotonicMs() - fromMs) * perSecond) / 1000; begun++) {
			begin(begun);
		}
	}
}
