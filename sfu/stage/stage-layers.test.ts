/** Tests of the layers that viewers stay on: when a rung is on air, and what it takes of a line. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import type { RungName } from '../../core/protocol/ladder-choice.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { StageLayers, STAGE_LAYER_NAMES } from './stage-layers.ts';
import { createStream, SentPackets } from './testing/sent-packets.ts';

const PICTURE_MS = 40;

class Feed {
	readonly clock = new FakeClock();
	readonly sent = new SentPackets();
	readonly layers: StageLayers;
	changes = 0;
	#next = 0;

	constructor() {
		const streams = STAGE_LAYER_NAMES.map((_, index) => createStream(index, this.clock, this.sent));
		this.layers = new StageLayers({ clock: this.clock, logger: silentLogger, streams }, { timestampBase: 1 });
		this.layers.on('changed', () => this.changes++);
	}

	get names(): string[] {
		return this.layers.onAir.map(({ name }) => name);
	}

	/** Pictures of the source and of these rungs, which are behind by some pictures; a key frame each second. */
	async run(
		ms: number,
		rungs: readonly RungName[],
		{ lagMs = 0, withSource = true, bytes = 1000 } = {},
	): Promise<void> {
		for (let atMs = 0; atMs < ms; atMs += PICTURE_MS) {
			const number = this.#next++;
			const lag = lagMs / PICTURE_MS;
			if (withSource) {
				this.layers.source.writePicture(picture(number, 2 * bytes));
			}
			for (const rung of rungs) {
				if (number >= lag) {
					this.layers.writeRung(rung, picture(number - lag, bytes));
				}
			}
			await this.clock.advance(PICTURE_MS);
		}
	}
}

function picture(number: number, bytes: number) {
	const isKeyFrame = number % 25 === 0;
	const payload = new Uint8Array(bytes).fill(isKeyFrame ? 0x65 : 0x41);
	return { payloads: [payload], isKeyFrame, timelineTicks: number * 3600, captureTimeMs: number * PICTURE_MS };
}

describe('StageLayers', () => {
	it('has the rungs below the source, lowest first, from their first key frame on', async () => {
		const feed = new Feed();
		expect(feed.names).toEqual(['source']);
		await feed.run(1000, ['720p60', '160p30', '480p30']);
		expect(feed.names).toEqual(['160p30', '480p30', '720p60', 'source']);
		expect(feed.layers.onAir.map(({ spatialLayer }) => spatialLayer)).toEqual([0, 2, 3, 5]);
	});

	it('takes a rung off the air at once when it ends, and within a second when it falls silent', async () => {
		const feed = new Feed();
		await feed.run(2000, ['160p30', '360p30', '480p30']);
		feed.layers.endRung('480p30');
		expect(feed.names).toEqual(['160p30', '360p30', 'source']);
		const changes = feed.changes;
		await feed.run(960, ['160p30']);
		expect(feed.names).toEqual(['160p30', 'source']);
		expect(feed.changes).toBe(changes + 1);
		await feed.run(3000, ['160p30', '360p30']);
		expect(feed.names).toEqual(['160p30', '360p30', 'source']);
	});

	it('keeps its rungs while the publisher is away', async () => {
		const feed = new Feed();
		await feed.run(1000, ['160p30']);
		await feed.clock.advance(20_000);
		expect(feed.names).toEqual(['160p30', 'source']);
	});

	it('does without a rung whose encoder is far behind the source', async () => {
		const feed = new Feed();
		await feed.run(3000, ['160p30'], { lagMs: 200 });
		expect(feed.names).toEqual(['160p30', 'source']);
		await feed.run(3000, ['160p30'], { lagMs: 800 });
		expect(feed.names).toEqual(['source']);
		await feed.run(3000, ['160p30'], { lagMs: 320 });
		expect(feed.names).toEqual(['source']);
		await feed.run(3000, ['160p30'], { lagMs: 120 });
		expect(feed.names).toEqual(['160p30', 'source']);
	});

	it('waits longer each time for a rung that comes and goes, until it has kept up for a while', async () => {
		const feed = new Feed();
		const secondsOff = async (): Promise<number> => {
			await feed.run(2000, ['160p30'], { lagMs: 800 });
			expect(feed.names).toEqual(['source']);
			let seconds = 0;
			while (!feed.names.includes('160p30')) {
				await feed.run(1000, ['160p30']);
				seconds++;
			}
			return seconds;
		};
		await feed.run(3000, ['160p30']);
		const waits = [await secondsOff(), await secondsOff(), await secondsOff()];
		expect(waits[1]).toBeGreaterThan(1.5 * waits[0]!);
		expect(waits[2]).toBeGreaterThan(1.5 * waits[1]!);
		await feed.run(25_000, ['160p30']);
		expect(await secondsOff()).toBeLessThan(waits[0]!);
	});

	it('measures the busiest of the last ten seconds of each layer', async () => {
		const feed = new Feed();
		feed.layers.describe('160p30', { widthPixels: 284, heightPixels: 160, frameRate: 25, maxBitrateBps: 240_000 });
		const rates = (): number[] => feed.layers.onAir.map(({ rateBps }) => Math.round(rateBps / 1000));
		await feed.run(500, ['160p30']);
		expect(rates()[0]).toBe(240);
		await feed.run(3500, ['160p30']);
		expect(rates()).toEqual([215, 415]);
		await feed.run(2000, ['160p30'], { bytes: 3000 });
		await feed.run(5000, ['160p30'], { bytes: 1000 });
		expect(rates()[0]).toBeGreaterThan(600);
		await feed.run(8000, ['160p30'], { bytes: 1000 });
		expect(rates()[0]).toBe(215);
	});

	it('reports what a layer shows once', async () => {
		const feed = new Feed();
		for (let count = 0; count < 3; count++) {
			feed.layers.describe('source', { widthPixels: 1280, heightPixels: 720, frameRate: 30, maxBitrateBps: undefined });
		}
		expect(feed.changes).toBe(1);
		expect(feed.layers.onAir[0]).toMatchObject({ heightPixels: 720, frameRate: 30 });
		await feed.layers.close();
		expect(feed.clock.pendingCount).toBe(0);
	});
});
