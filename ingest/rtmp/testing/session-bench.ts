/** One session with a fake connection, a fake clock and a recording listener, for tests. */
import { afterEach, expect } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger, type LogLine } from '../../../core/testing/recording-logger.ts';
import type { RtmpMediaUnit } from '../flv-demuxer.ts';
import type { RtmpPublisher } from '../rtmp-publisher.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from '../rtmp-server.ts';
import { RtmpSession } from '../rtmp-session.ts';
import type { RtmpSessionLimits } from '../rtmp-session-limits.ts';
import { concat, EncoderDouble } from '../../../core/wire/rtmp/testing/encoder-double.ts';
import { FakeConnection } from './fake-connection.ts';

/** The key that is accepted by default. */
export const KEY = 'goodkey';

/** What a test may replace. */
export type SessionBenchOptions = {
	authorize?: (keys: readonly string[]) => Promise<string>;
	onPublisher?: (publisher: RtmpPublisher) => void;
	limits?: Partial<RtmpSessionLimits>;
};

export class SessionBench {
	readonly clock = new FakeClock();
	readonly logger = new RecordingLogger();
	readonly connection = new FakeConnection();
	readonly encoder = new EncoderDouble();
	readonly session: RtmpSession<string>;
	/** In order: `config video`, `video 40`, the metadata object, `closed unpublished`. */
	readonly events: unknown[] = [];
	readonly units: RtmpMediaUnit[] = [];
	publisher: RtmpPublisher | undefined;
	authorization: string | undefined;

	constructor(options: SessionBenchOptions = {}) {
		this.session = new RtmpSession<string>(
			{
				connection: this.connection,
				clock: this.clock,
				logger: this.logger,
				authorize: options.authorize ?? acceptKey,
				onPublisher: (publisher, authorization) => {
					this.#listen(publisher);
					this.authorization = authorization;
					options.onPublisher?.(publisher);
				},
			},
			{ ...DEFAULT_RTMP_SERVER_CONFIG, ...options.limits },
		);
	}

	/** A session that publishes, or still waits for its key check. */
	static async publishing(options: SessionBenchOptions = {}): Promise<SessionBench> {
		const bench = new SessionBench(options);
		const { encoder } = bench;
		bench.session.receive(concat(encoder.handshake(), encoder.connect(), encoder.publish(KEY)));
		await bench.clock.advance(0);
		return bench;
	}

	/** Lines above debug. */
	get lines(): LogLine[] {
		return this.logger.lines.filter((line) => line.level !== 'debug');
	}

	#listen(publisher: RtmpPublisher): void {
		this.publisher = publisher;
		publisher.on('trackConfigured', (config) => this.events.push(`config ${config.kind}`));
		publisher.on('mediaUnit', (unit) => {
			this.units.push(unit);
			this.events.push(`${unit.kind} ${unit.decodeTimeMs}`);
		});
		publisher.on('metadata', (metadata) => this.events.push(metadata));
		publisher.on('closed', (reason) => this.events.push(`closed ${reason}`));
	}
}

function acceptKey(keys: readonly string[]): Promise<string> {
	return keys.includes(KEY)
		? Promise.resolve('authorization')
		: Promise.reject(new SpillwayError('STREAM_KEY_REFUSED'));
}

/** Benches of one test file. Each is closed after its test, and must leave no timer and no key in a log line. */
export function trackBenches(): {
	setUp(options?: SessionBenchOptions): SessionBench;
	publishing(options?: SessionBenchOptions): Promise<SessionBench>;
} {
	const benches: SessionBench[] = [];
	const track = (bench: SessionBench): SessionBench => {
		benches.push(bench);
		return bench;
	};
	afterEach(async () => {
		for (const { session, clock, logger, connection } of benches.splice(0)) {
			await session.close('server-shutdown');
			expect(clock.pendingCount).toBe(0);
			expect(connection.endCount).toBe(1);
			// S-3: the key is in no line.
			expect(JSON.stringify(logger.lines)).not.toContain(KEY);
			expect(logger.lines.some((line) => line.message.startsWith('RTMP'))).toBe(true);
		}
	});
	return {
		setUp: (options) => track(new SessionBench(options)),
		publishing: async (options) => track(await SessionBench.publishing(options)),
	};
}
