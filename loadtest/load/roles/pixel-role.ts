/** The role `pixel`: a few viewers in headless Chromium, read from their pixels, as a check of the other figures. */
import type { CancelTimer } from '../../../core/lifecycle/clock.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import { ChromiumViewer } from '../../clients/chromium/chromium-viewer.ts';
import { scheduleArrivals } from './arrivals.ts';
import { type Role, type RoleContext, TIER_NAMES } from './role.ts';

const COLLECT_INTERVAL_MS = 1000;

/** Even viewers play WebRTC, odd ones LL-HLS, unless only one tier has an address. */
export class PixelRole implements Role {
	readonly #context: RoleContext;
	readonly #viewers = new Set<ChromiumViewer>();
	readonly #cancels: CancelTimer[] = [];
	#isStopped = false;

	constructor(context: RoleContext) {
		this.#context = context;
	}

	start(): Promise<void> {
		this.#cancels.push(scheduleArrivals(this.#context, (index) => void this.#arrive(index)));
		return Promise.resolve();
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		this.#cancels.splice(0).forEach((cancel) => cancel());
		await Promise.allSettled([...this.#viewers].map((viewer) => viewer.close()));
	}

	async #arrive(index: number): Promise<void> {
		const { clock, config, figures, note } = this.#context;
		const { whep, hls, httpUrl } = config.endpoints;
		const tiers = [
			...(whep === undefined ? [] : ['webrtc' as const]),
			...(hls === undefined ? [] : ['ll-hls' as const]),
		];
		const tier = tiers[index % tiers.length]!;
		try {
			const viewer = await ChromiumViewer.open({
				httpUrl: httpUrl!,
				channel: config.channel,
				tier,
				page: 'bench',
				withSound: false,
			});
			this.#viewers.add(viewer);
			if (this.#isStopped) {
				await viewer.close();
				return;
			}
			await viewer.play();
			figures.adjust(`pixel.${TIER_NAMES[tier]}.playing`, 1);
			let isCollecting = false;
			this.#cancels.push(
				clock.setInterval(() => {
					if (!isCollecting) {
						isCollecting = true;
						// A page that is closing cannot be read.
						this.#collect(viewer, tier)
							.catch(() => undefined)
							.finally(() => (isCollecting = false));
					}
				}, COLLECT_INTERVAL_MS),
			);
		} catch (error) {
			figures.count('pixel.failed');
			note(`Chromium viewer failed: ${(error as Error).message.slice(0, 300)}`);
		}
	}

	async #collect(viewer: ChromiumViewer, tier: DeliveryTier): Promise<void> {
		const { shown, heard } = await viewer.collect();
		for (const { shownAtMs, captureTimeMs } of shown) {
			this.#context.figures.sample(`pixel.${TIER_NAMES[tier]}.latency`, shownAtMs - captureTimeMs);
		}
		// So that a long run does not keep every picture.
		shown.splice(0);
		heard.splice(0);
	}
}
