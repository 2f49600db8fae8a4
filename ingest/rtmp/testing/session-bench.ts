/** One session with a fake connection, a fake clock and a listener that notes what it hears, for tests. */
import { SpillwayError } from '../../../core/errors/errors.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger, type LogLine } from '../../../core/testing/recording-logger.ts';
import type { RtmpMediaUnit, RtmpPublisher } from '../rtmp-publisher.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from '../rtmp-server.ts';
import { RtmpSession } from '../rtmp-session.ts';
import type { RtmpSessionLimits } from '../rtmp-session-options.ts';
import { concat, EncoderDouble } from '../../../core/wire/rtmp/testing/encoder-double.ts';
import { FakeConnection } from './fake-connection.ts';

/** The key that is accepted unless a test says otherwise. */
export const KEY = 'goodkey';

/** What a test may replace. */
export type SessionBenchOptions = {
	authorize?: (keys: readonly string[]) => Promise<string>;
	onPublisher?: (publisher: RtmpPublisher) => void;
	limits?: Partial<RtmpSessionLimits>;
};

/** The session and all around it. */
export class SessionBench {
	readonly clock = new FakeClock();
	readonly logger = new RecordingLogger();
	readonly connection = new FakeConnection();
	readonly encoder = new EncoderDouble();
	readonly session: RtmpSession<string>;
	/** In order: `config video`, `video 40`, metadata as it is, `closed unpublished`. */
	readonly events: unknown[] = [];
	readonly units: RtmpMediaUnit[] = [];
	publisher: RtmpPublisher | undefined;
	authorization: string | undefined;

	constructor(options: SessionBenchOptions = {}) {
		this.session = new RtmpSession<string>({
			connection: this.connection,
			limits: { ...DEFAULT_RTMP_SERVER_CONFIG, ...options.limits },
			clock: this.clock,
			logger: this.logger,
			authorize: options.authorize ?? acceptKey,
			onPublisher: (publisher, authorization) => {
				this.#listen(publisher);
				this.authorization = authorization;
				options.onPublisher?.(publisher);
			},
		});
	}

	/** One that is publishing, or on its way there if its key check takes time. */
	static async publishing(options: SessionBenchOptions = {}): Promise<SessionBench> {
		const bench = new SessionBench(options);
		const { encoder } = bench;
		bench.session.receive(concat(encoder.handshake(), encoder.connect(), encoder.publish(KEY)));
		await bench.clock.advance(0);
		return bench;
	}

	/** Lines above debug: what an operator sees. */
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
