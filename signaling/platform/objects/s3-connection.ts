/** Signed requests to one bucket of an S3 service: a few at once, each with a deadline, again after brief failures. */
import * as http from 'node:http';
import * as https from 'node:https';
import aws4 from 'aws4';
import { chance, retryDelayMs, type RetryPolicy } from '../../../core/lifecycle/back-off.ts';
import { sleep, type Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import {
	failureOfAnswer,
	failureOfConnection,
	failureOfDeadline,
	readTag,
	S3Failure,
	type S3Answer,
	type S3Place,
} from './s3-failure.ts';
import { storeUnavailable } from './object-work.ts';

export type S3ConnectionDependencies = { clock: Clock; logger: Logger };

export type S3Options = {
	/** `https://host` or `https://host:port`; the bucket becomes the first step of the path. */
	endpoint: string;
	/** The same service as browsers reach it; without it nothing is presigned. */
	publicEndpoint?: string | undefined;
	region: string;
	bucket: string;
	accessKeyId: string;
	secretAccessKey: string;
	/** First steps of every key, without a slash at the end; may be empty. */
	prefix: string;
	/** Besides the time that the bytes take at {@link SLOWEST_BYTES_PER_MS}. */
	timeoutMs?: number;
};

type S3Request = {
	method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
	/** Empty for the bucket itself. */
	key: string;
	query?: Readonly<Record<string, string>>;
	headers?: Readonly<Record<string, string>>;
	body?: Uint8Array;
	/** Answers that are results; all others are failures. */
	accepts: readonly number[];
};

/** With a service that is well, the first byte comes within a second. */
const TIMEOUT_MS = 15_000;

/** 1 Mbit/s: below that rate no recording could be uploaded in its own time. */
const SLOWEST_BYTES_PER_MS = 125;

/** A quarter of what a small service takes well; 32 objects of 2 s are far above real time for one server. */
const MAX_CONNECTIONS = 32;

/** Requests that run or wait for a connection, each with up to one object in memory. */
const MAX_PENDING = 1000;

/** For lists and errors; an object's answer says its size first. */
const MAX_UNSIZED_BYTES = 8 * 1024 * 1024;

/** Nothing that is read as a whole is that long; longer things are read in ranges. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;

/** All of them within the request's deadline. A longer failure is the caller's to wait for. */
const RETRY_POLICY: RetryPolicy = { maxAttempts: 2, firstDelayMs: 100, maxDelayMs: 2000, jitterRatio: 0.5 };

export class S3Connection {
	readonly #deps: S3ConnectionDependencies;
	readonly #options: S3Options;
	readonly #place: S3Place;
	readonly #agent: http.Agent;
	readonly #scope: CloseScope<'closed'>;
	#pendingCount = 0;

	constructor(deps: S3ConnectionDependencies, options: S3Options) {
		this.#deps = deps;
		this.#options = options;
		const endpoint = new URL(options.endpoint);
		this.#place = { host: endpoint.host, bucket: options.bucket };
		const { Agent } = endpoint.protocol === 'https:' ? https : http;
		this.#agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, scheduling: 'lifo' });
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(() => this.#agent.destroy());
	}

	/** Throws SERVER_STOPPING after close(). */
	assertOpen(): void {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
	}

	/** Throws OBJECT_STORE_UNAVAILABLE or OBJECT_STORE_FULL with an S3Failure as the cause. */
	async send(request: S3Request): Promise<S3Answer> {
		this.assertOpen();
		if (this.#pendingCount >= MAX_PENDING) {
			throw storeUnavailable(`${MAX_PENDING} requests wait for the S3 service ${this.#place.host} already`);
		}
		this.#pendingCount++;
		const deadline = new Deadline(this.#deps.clock, this.#options.timeoutMs ?? TIMEOUT_MS);
		deadline.allowFor(request.body?.length ?? 0);
		try {
			return await this.#tryUntil(deadline, request);
		} finally {
			deadline.disarm();
			this.#pendingCount--;
		}
	}

	/** An address for a GET of the key, signed for the public endpoint. */
	presign(endpoint: string, key: string, seconds: number): string {
		const { origin, host } = new URL(endpoint);
		const path = `${this.#path(key)}?X-Amz-Expires=${seconds}`;
		const headers = {};
		const signed = this.#sign({ method: 'GET', host, path, headers, signQuery: true });
		return `${origin}${signed.path}`;
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #tryUntil(deadline: Deadline, request: S3Request): Promise<S3Answer> {
		const signal = AbortSignal.any([deadline.signal, this.#scope.signal]);
		for (let attempt = 1; ; attempt++) {
			try {
				const answer = await this.#exchange(request, signal, deadline);
				// Without a bucket every object is missing, which is another fact than that one of them is.
				const isBucketMissing = answer.status === 404 && readTag(answer.body, 'Code') === 'NoSuchBucket';
				if (request.accepts.includes(answer.status) && !isBucketMissing) {
					return answer;
				}
				throw failureOfAnswer(this.#place, answer, this.#deps.clock.nowMs());
			} catch (error) {
				const failure = this.#toFailure(error, deadline);
				const delayMs = failure.isBrief
					? retryDelayMs(RETRY_POLICY, attempt, chance(), failure.retryAfterSeconds)
					: undefined;
				if (delayMs === undefined) {
					throw failure.toStoreError();
				}
				await sleep(this.#deps.clock, delayMs, signal).catch(() => {
					throw this.#scope.closed ? new SpillwayError('SERVER_STOPPING') : failure.toStoreError();
				});
			}
		}
	}

	#toFailure(error: unknown, deadline: Deadline): S3Failure {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		if (error instanceof S3Failure) {
			return error;
		}
		return deadline.signal.aborted
			? failureOfDeadline(this.#place, deadline.totalMs)
			: failureOfConnection(this.#place, error);
	}

	#exchange(request: S3Request, signal: AbortSignal, deadline: Deadline): Promise<S3Answer> {
		const { method, body } = request;
		const query = new URLSearchParams(request.query).toString();
		const path = `${this.#path(request.key)}${query === '' ? '' : `?${query}`}`;
		const headers: Record<string, string> = {
			...request.headers,
			// Not the hash of the body: SeaweedFS 4.48 does not compare it. The signed MD5 protects the body as well.
			'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
			...(body === undefined ? {} : { 'content-length': String(body.length) }),
		};
		const signed = this.#sign({ method, host: this.#place.host, path, headers });
		return new Promise((resolve, reject) => {
			const url = new URL(path, this.#options.endpoint);
			const outgoing = (url.protocol === 'https:' ? https : http).request(url, {
				method,
				headers: signed.headers as http.OutgoingHttpHeaders,
				agent: this.#agent,
				signal,
			});
			// Stays registered: after an early answer the rest of the body may still fail.
			outgoing.on('error', reject);
			outgoing.once('response', (incoming) => {
				deadline.allowFor(Number(incoming.headers['content-length']) || 0);
				readBody(incoming, method === 'HEAD').then(
					(bytes) => {
						if (!outgoing.writableFinished) {
							outgoing.destroy();
						}
						resolve({ status: incoming.statusCode!, headers: incoming.headers, body: bytes });
					},
					(error: unknown) => {
						outgoing.destroy();
						reject(error as Error);
					},
				);
			});
			outgoing.end(body);
		});
	}

	/** Keys are object names, so that no step needs escapes. */
	#path(key: string): string {
		const { bucket, prefix } = this.#options;
		return ['', bucket, ...[prefix, key].filter((part) => key !== '' && part !== '')].join('/');
	}

	#sign(request: aws4.Request): aws4.Request {
		const { region, accessKeyId, secretAccessKey } = this.#options;
		const date = new Date(this.#deps.clock.nowMs()).toISOString().replace(/[:-]|\.\d{3}/g, '');
		const dated = request.signQuery === true ? {} : { headers: { ...request.headers, 'x-amz-date': date } };
		return aws4.sign({ service: 's3', region, ...request, ...dated }, { accessKeyId, secretAccessKey });
	}
}

/** Aborts its signal when the time is up, which grows with the bytes that have to travel. */
class Deadline {
	readonly #controller = new AbortController();
	readonly #clock: Clock;
	readonly #timer: Timer;
	readonly #startedAtMs: number;
	totalMs: number;

	constructor(clock: Clock, timeoutMs: number) {
		this.#clock = clock;
		this.#startedAtMs = clock.monotonicMs();
		this.totalMs = timeoutMs;
		this.#timer = new Timer(clock, () => this.#controller.abort());
		this.#timer.arm(timeoutMs);
	}

	get signal(): AbortSignal {
		return this.#controller.signal;
	}

	allowFor(byteCount: number): void {
		this.totalMs += byteCount / SLOWEST_BYTES_PER_MS;
		this.#timer.arm(this.#startedAtMs + this.totalMs - this.#clock.monotonicMs());
	}

	disarm(): void {
		this.#timer.disarm();
	}
}

/** Rejects when fewer bytes come than the answer promises. */
async function readBody(incoming: http.IncomingMessage, isEmpty: boolean): Promise<Uint8Array> {
	const promisedBytes = incoming.headers['content-length'];
	const maxBytes = promisedBytes === undefined ? MAX_UNSIZED_BYTES : MAX_ANSWER_BYTES;
	const chunks: Buffer[] = [];
	let byteCount = 0;
	for await (const chunk of incoming as AsyncIterable<Buffer>) {
		chunks.push(chunk);
		byteCount += chunk.length;
		if (byteCount > maxBytes) {
			throw new Error(`an answer of more than ${maxBytes} bytes`);
		}
	}
	if (!isEmpty && promisedBytes !== undefined && byteCount !== Number(promisedBytes)) {
		throw new Error(`${byteCount} of ${promisedBytes} bytes`);
	}
	return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, byteCount);
}
