/** HTTP of one virtual viewer: its own keep-alive connections, and a deadline for each request. */
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

/**
 * Connections of one viewer. A player uses about six: a reload, a hint and a part for picture and sound each. With a
 * round trip longer than a part it has more requests under way, which HTTP/2 puts into one connection.
 */
const MAX_CONNECTIONS = 40;
const MAX_REDIRECTS = 3;
const MAX_TEXT_BYTES = 4_000_000;

type HttpResult = { status: number; url: string; text: string; byteCount: number };

type HttpGet = {
	deadlineMs: number;
	/** `count`: only the size of the body is kept. */
	body: 'text' | 'count';
	range?: string | undefined;
};

export class HttpClient {
	readonly #agents = {
		'http:': new HttpAgent({ keepAlive: true, maxSockets: MAX_CONNECTIONS }),
		'https:': new HttpsAgent({ keepAlive: true, maxSockets: MAX_CONNECTIONS }),
	};
	readonly #abort = new AbortController();

	/** Resolves with any status. Rejects after the deadline, on a broken connection, and when the client is closed. */
	async get(url: string, options: HttpGet): Promise<HttpResult> {
		let address = url;
		for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
			const { result, location } = await this.#once(address, options);
			if (location === undefined) {
				return result;
			}
			address = new URL(location, address).href;
		}
		throw new Error(`${url} redirects more than ${MAX_REDIRECTS} times.`);
	}

	/** Ends all requests and connections. Idempotent. */
	close(): void {
		this.#abort.abort(new Error('the viewer has left'));
		this.#agents['http:'].destroy();
		this.#agents['https:'].destroy();
	}

	#once(url: string, options: HttpGet): Promise<{ result: HttpResult; location: string | undefined }> {
		const { protocol } = new URL(url);
		if (protocol !== 'http:' && protocol !== 'https:') {
			return Promise.reject(new Error(`${url} is no HTTP address.`));
		}
		const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(options.deadlineMs)]);
		return new Promise((resolve, reject) => {
			const request = (protocol === 'http:' ? httpRequest : httpsRequest)(
				url,
				{
					agent: this.#agents[protocol],
					signal,
					headers: options.range === undefined ? {} : { Range: options.range },
				},
				(response) => {
					readBody(response, options.body).then(({ text, byteCount }) => {
						const status = response.statusCode ?? 0;
						const location = status >= 300 && status < 400 ? response.headers.location : undefined;
						resolve({ result: { status, url, text, byteCount }, location });
					}, reject);
				},
			);
			request.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error));
			request.end();
		});
	}
}

function readBody(response: IncomingMessage, kind: HttpGet['body']): Promise<{ text: string; byteCount: number }> {
	return new Promise((resolve, reject) => {
		const chunks: Buffer[] = [];
		let byteCount = 0;
		response.on('data', (chunk: Buffer) => {
			byteCount += chunk.length;
			if (kind === 'text') {
				chunks.push(chunk);
				if (byteCount > MAX_TEXT_BYTES) {
					response.destroy(new Error(`The playlist has more than ${MAX_TEXT_BYTES} bytes.`));
				}
			}
		});
		response.on('end', () => resolve({ text: Buffer.concat(chunks).toString('utf8'), byteCount }));
		response.on('error', reject);
		response.on('close', () => reject(new Error('The connection was closed before the end of the body.')));
	});
}
