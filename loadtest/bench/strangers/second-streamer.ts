/** A streamer with their own account and channel, who arrives during an attack: how long until they are on air. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { NewStreamKey } from '../../../core/protocol/api/stream-key.ts';
import { FlvReader } from '../../../core/wire/flv.ts';
import { rtmpArguments } from '../../clients/rtmp/rtmp-publisher.ts';
import { benchSource } from '../../source/bench-source.ts';
import { TEST_SETTINGS } from '../../source/encoder-settings.ts';
import { throwFailure } from '../../source/publisher.ts';
import { RtmpConnection } from '../../clients/rtmp/rtmp-connection.ts';
import type { ServerAddresses } from '../measure/server-under-test.ts';

const NAME = 'second-streamer';
const PASSWORD = 'correct horse battery staple';
const REQUEST_DEADLINE_MS = 15_000;
const ON_AIR_DEADLINE_MS = 15_000;
const TRY_AGAIN_AFTER_MS = 500;
const POLL_INTERVAL_MS = 50;

export type ArrivalFigures = {
	/** From the log-in's request to its answer; undefined when it was refused. */
	logInMs: number | undefined;
	/** From the first connection to NetStream.Publish.Start; undefined when it never came. */
	acceptedMs: number | undefined;
	/** From the first connection to a playlist that can be played. */
	onAirMs: number | undefined;
	/** Errors of refused or lost connections. */
	failures: string[];
};

/** An account that can publish. */
export class SecondStreamer {
	readonly #server: ServerAddresses;
	readonly #cookie: string;
	readonly #streamKey: string;

	private constructor(server: ServerAddresses, cookie: string, streamKey: string) {
		[this.#server, this.#cookie, this.#streamKey] = [server, cookie, streamKey];
	}

	/** Signs up, opens a channel, and makes a stream key. */
	static async signUp(server: ServerAddresses): Promise<SecondStreamer> {
		const api = `${server.httpUrl}/api/v1`;
		const signedUp = await post(`${api}/users`, { name: NAME, password: PASSWORD });
		const cookie = signedUp.headers
			.getSetCookie()
			.map((text) => text.split(';')[0])
			.join('; ');
		await post(`${api}/channels`, { name: NAME }, cookie);
		const made = await post(`${api}/channels/${NAME}/stream-keys`, { name: 'bench' }, cookie);
		const { streamKey } = (await made.json()) as NewStreamKey;
		return new SecondStreamer(server, cookie, streamKey);
	}

	/** Logs in, publishes from that address until on air, and ends. Never rejects for what the server does. */
	async arrive(localAddress: string): Promise<ArrivalFigures> {
		const figures: ArrivalFigures = { logInMs: undefined, acceptedMs: undefined, onAirMs: undefined, failures: [] };
		const fromMs = systemClock.monotonicMs();
		const logIn = post(`${this.#server.httpUrl}/api/v1/session`, { name: NAME, password: PASSWORD }).then(
			() => (figures.logInMs = systemClock.monotonicMs() - fromMs),
			(error: unknown) => figures.failures.push((error as Error).message),
		);
		while (figures.onAirMs === undefined && systemClock.monotonicMs() - fromMs < ON_AIR_DEADLINE_MS) {
			try {
				await this.#publish(localAddress, fromMs, figures);
			} catch (error) {
				figures.failures.push((error as Error).message);
				await sleep(systemClock, TRY_AGAIN_AFTER_MS);
			}
		}
		await logIn;
		return figures;
	}

	async #publish(localAddress: string, fromMs: number, figures: ArrivalFigures): Promise<void> {
		const { rtmpUrl, httpUrl } = this.#server;
		const connection = await RtmpConnection.publish(rtmpUrl, this.#streamKey, localAddress);
		figures.acceptedMs ??= systemClock.monotonicMs() - fromMs;
		const { encoder, loop } = benchSource(rtmpArguments(TEST_SETTINGS, 'pipe:1'), TEST_SETTINGS);
		try {
			const flv = new FlvReader();
			encoder.output.on('data', (bytes: Buffer) => flv.push(bytes).forEach((tag) => connection.send(tag)));
			let lost: Error | undefined;
			connection.onLost = (error) => (lost = error);
			loop.start();
			while (figures.onAirMs === undefined) {
				const response = await fetch(`${httpUrl}/hls/${NAME}/index.m3u8`, {
					signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
				});
				await response.text();
				throwFailure({ failure: lost ?? encoder.failure });
				if (response.ok) {
					figures.onAirMs = systemClock.monotonicMs() - fromMs;
				} else if (systemClock.monotonicMs() - fromMs > ON_AIR_DEADLINE_MS) {
					throw new Error(`not on air: ${response.status}`);
				}
				await sleep(systemClock, POLL_INTERVAL_MS);
			}
		} finally {
			loop.stop();
			connection.close();
			await encoder.kill();
			// Without waiting for the grace window, so that the next arrival begins a new broadcast.
			await post(`${httpUrl}/api/v1/channels/${NAME}/end`, undefined, this.#cookie).catch(() => undefined);
		}
	}
}

async function post(url: string, body: object | undefined, cookie?: string): Promise<Response> {
	const response = await fetch(url, {
		method: 'POST',
		headers: {
			...(body === undefined ? {} : { 'content-type': 'application/json' }),
			'x-spillway-csrf': '1',
			...(cookie === undefined ? {} : { cookie }),
		},
		body: body === undefined ? null : JSON.stringify(body),
		signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
	});
	if (!response.ok) {
		throw new Error(`${new URL(url).pathname} was answered with ${response.status}: ${await response.text()}`);
	}
	return response;
}
