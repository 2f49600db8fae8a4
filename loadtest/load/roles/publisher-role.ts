/** The role `publisher`: the bench's test picture, in its own process so that drawing does not delay viewers. */
import { aacDelayMs, BENCH_SETTINGS } from '../../source/encoder-settings.ts';
import type { Publisher } from '../../source/publisher.ts';
import { RtmpPublisher } from '../../clients/rtmp/rtmp-publisher.ts';
import { WeriftWhipPublisher } from '../../clients/whip/werift-whip-publisher.ts';
import type { Role, RoleContext } from './role.ts';

const FAILURE_POLL_MS = 1000;

export class PublisherRole implements Role {
	readonly #context: RoleContext;
	#publisher: Publisher | undefined;
	#cancel: (() => void) | undefined;

	constructor(context: RoleContext) {
		this.#context = context;
	}

	async start(): Promise<void> {
		const { clock, config, figures, note } = this.#context;
		const settings = { ...BENCH_SETTINGS, ...config.picture, soundLeadMs: aacDelayMs(BENCH_SETTINGS.sampleRate) };
		const { rtmp, whip } = config.endpoints;
		const publisher =
			config.publish === 'rtmp'
				? new RtmpPublisher(settings, { url: rtmp!, streamKey: config.streamKey })
				: new WeriftWhipPublisher(settings, { url: whip!, streamKey: config.streamKey });
		this.#publisher = publisher;
		await publisher.start();
		note(`publishing: ${publisher.description}`);
		figures.set('publisher.publishing', 1);
		this.#cancel = clock.setInterval(() => {
			if (publisher.failure !== undefined && figures.gauge('publisher.publishing') === 1) {
				figures.set('publisher.publishing', 0);
				figures.count('publisher.failed');
				note(`the publisher ended: ${publisher.failure.message.slice(0, 300)}`);
			}
		}, FAILURE_POLL_MS);
	}

	async stop(): Promise<void> {
		this.#cancel?.();
		await this.#publisher?.stop();
	}
}
