/** Tests of the rules by which a viewer's layer follows their line, on evidence as a line gives it. */
import { describe, expect, it } from 'vitest';
import type { OnAirLayer } from '../stage/stage-layers.ts';
import { LayerSelector, type SelectorAction } from './layer-selector.ts';
import { lineLimits } from './line-limits.ts';

const layer = (name: OnAirLayer['name'], spatialLayer: number, rateBps: number, heightPixels: number): OnAirLayer => ({
	name,
	spatialLayer,
	rateBps,
	meanBps: rateBps,
	widthPixels: Math.round((heightPixels * 16) / 9),
	heightPixels,
	frameRate: 30,
});
const LOWEST = layer('160p30', 0, 280_000, 160);
const LOW = layer('360p30', 1, 740_000, 360);
const MIDDLE = layer('480p30', 2, 1_500_000, 480);
const SOURCE = layer('source', 5, 2_700_000, 720);
const ALL = [LOWEST, LOW, MIDDLE, SOURCE];
const JOIN_LAYER = 7;

/** A viewer on the source's layer, 10 s after they joined. */
class Viewer {
	nowMs = 100_000;
	readonly selector: LayerSelector;
	#resentBytes = 0;

	constructor({ layers = ALL as readonly OnAirLayer[], canEstimate = true } = {}) {
		this.selector = new LayerSelector(layers, { canEstimate });
		this.selector.begin(this.nowMs, this.selector.firstLayer);
		this.selector.shown(this.nowMs, JOIN_LAYER);
		this.selector.shown(this.nowMs, this.selector.wantedLayer);
		this.nowMs += 10_000;
	}

	/** Resends of so many bits a second for a while, read each 100 ms; ends at the first action. */
	resends(bps: number, forMs = 1000): SelectorAction[] {
		for (let atMs = 0; atMs < forMs; atMs += 100) {
			this.nowMs += 100;
			this.#resentBytes += bps / 80;
			const actions = this.#perform(this.selector.resent(this.nowMs, this.#resentBytes));
			if (actions.length > 0) {
				return actions;
			}
		}
		return [];
	}

	/** Seconds without resends; ends at the first action other than new limits. */
	quiet(seconds: number, reading: Partial<Parameters<LayerSelector['read']>[1]> = {}): SelectorAction[] {
		for (let second = 0; second < seconds; second++) {
			this.nowMs += 1000;
			this.#perform(this.selector.drained(this.nowMs));
			const actions = this.#perform(
				this.selector.read(this.nowMs, { availableBps: undefined, roundTripMs: 40, lossShare: 0, ...reading }),
			).filter((action) => action.do !== 'limit');
			if (actions.length > 0) {
				return actions;
			}
		}
		return [];
	}

	/** mediasoup changes to the preferred layer at once. */
	#perform(actions: SelectorAction[]): SelectorAction[] {
		for (const action of actions) {
			if (action.do === 'kick' || action.do === 'prefer') {
				this.selector.shown(this.nowMs, action.spatialLayer);
			}
		}
		return actions;
	}
}

describe('a newcomer', () => {
	it.each([
		['the second lowest rung', ALL, 1],
		['the only rung', [LOW, SOURCE], 1],
		['the source where there is no rung', [SOURCE], 5],
	])('begins with the GOP of %s, and goes to the source', (_name, layers, first) => {
		const selector = new LayerSelector(layers, { canEstimate: true });
		expect([selector.firstLayer, selector.wantedLayer]).toEqual([first, 5]);
	});
});

describe('a line that shows no trouble', () => {
	it.each([
		['free', true, 0.2],
		['of a player whose line cannot be estimated', false, 0.3],
	])('keeps the source over random loss, %s', (_name, canEstimate, share) => {
		const viewer = new Viewer({ canEstimate });
		expect(viewer.resends(share * SOURCE.rateBps, 20_000)).toEqual([]);
		expect(viewer.selector.mode).toBe('free');
	});

	it('is read every 5 s where there are rungs, and never where there are none', () => {
		const [viewer, alone] = [new Viewer(), new Viewer({ layers: [SOURCE] })];
		viewer.quiet(1);
		expect(viewer.selector.needsReading(viewer.nowMs + 4900)).toBe(false);
		expect(viewer.selector.needsReading(viewer.nowMs + 5000)).toBe(true);
		expect(alone.selector.needsReading(alone.nowMs + 60_000)).toBe(false);
	});

	it('is left for the lowest rung when its queue grows', () => {
		const viewer = new Viewer();
		viewer.quiet(5);
		expect(viewer.quiet(5, { roundTripMs: 400 })).toMatchObject([{ do: 'kick', spatialLayer: 0 }]);
	});
});

describe('resends above a quarter of the picture', () => {
	it('lead to the lowest rung within 0.3 s, and start the estimator once', () => {
		const viewer = new Viewer();
		const beganAtMs = viewer.nowMs;
		const kick = viewer.resends(2e6);
		expect(viewer.nowMs - beganAtMs).toBeLessThanOrEqual(300);
		expect(kick).toMatchObject([{ do: 'kick', spatialLayer: 0, startsEstimator: true }]);
		expect(viewer.selector.limitedBy).toBe('line');
		viewer.nowMs += 3000;
		expect(viewer.resends(2e6)).toMatchObject([{ do: 'kick', startsEstimator: false }]);
	});

	it('do not lead anywhere twice within 0.7 s', () => {
		const viewer = new Viewer();
		viewer.resends(2e6);
		const kickedAtMs = viewer.nowMs;
		viewer.resends(5e6, 3000);
		expect(viewer.nowMs - kickedAtMs).toBeGreaterThanOrEqual(700);
	});

	it('do not count what was resent before a quiet time', () => {
		const viewer = new Viewer();
		viewer.resends(0.2 * SOURCE.rateBps, 3000);
		viewer.nowMs += 30_000;
		expect(viewer.resends(0.2 * SOURCE.rateBps, 3000)).toEqual([]);
	});
});

describe('going up', () => {
	it('takes one rung at a time, each by an estimate a tenth above it', () => {
		const viewer = new Viewer();
		viewer.resends(2e6);
		expect(viewer.quiet(5, { availableBps: 800_000 })).toEqual([]);
		expect(viewer.quiet(1, { availableBps: 820_000 })).toEqual([{ do: 'prefer', spatialLayer: 1 }]);
		expect(viewer.quiet(1, { availableBps: 9e6 })).toMatchObject([{ do: 'prefer', spatialLayer: 2 }]);
		expect(viewer.quiet(1, { availableBps: 9e6 })).toMatchObject([{ do: 'prefer', spatialLayer: 5 }]);
		expect(viewer.selector.limitedBy).toBeNull();
	});

	it.each([
		['than before', 1.2, [20, 40, 60, 60, 60]],
		['than the one that misled', 1.1, [60, 60, 60, 60, 60]],
	] as const)('goes back by one rung, and waits for an estimate clearly higher %s', (_name, growth, expected) => {
		const viewer = new Viewer();
		viewer.resends(2e6);
		viewer.quiet(1, { availableBps: 1e6 });
		viewer.quiet(2, { availableBps: 1e6 });
		const waits: number[] = [];
		for (let attempt = 0; attempt < 6; attempt++) {
			const fromMs = viewer.nowMs;
			const availableBps = 1.7e6 * growth ** attempt;
			expect(viewer.quiet(100, { availableBps })).toMatchObject([{ do: 'prefer', spatialLayer: 2 }]);
			waits.push(Math.round((viewer.nowMs - fromMs) / 1000));
			expect(viewer.resends(2e6)).toMatchObject([{ do: 'kick', spatialLayer: 1 }]);
		}
		expect(waits.slice(1)).toEqual(expected);
	});

	it('by trial takes 4 s without trouble where the line cannot be estimated', () => {
		const viewer = new Viewer({ canEstimate: false });
		expect(viewer.resends(2e6)).toMatchObject([{ do: 'kick', spatialLayer: 0, startsEstimator: false }]);
		const kickedAtMs = viewer.nowMs;
		expect(viewer.quiet(10)).toMatchObject([{ do: 'prefer', spatialLayer: 1 }]);
		expect(viewer.nowMs - kickedAtMs).toBeGreaterThanOrEqual(4000);
		expect(viewer.nowMs - kickedAtMs).toBeLessThanOrEqual(6000);
	});
});

describe('a line below the lowest layer', () => {
	it('gives up after 4 bad seconds of 6 on the lowest rung', () => {
		const viewer = new Viewer();
		viewer.resends(2e6);
		expect(viewer.quiet(3, { lossShare: 0.3 })).toEqual([]);
		expect(viewer.quiet(1, { lossShare: 0.3 })).toEqual([{ do: 'give-up' }]);
		expect(viewer.resends(9e6)).toEqual([]);
		viewer.selector.goOn();
		expect(viewer.resends(9e6)).toMatchObject([{ do: 'kick', spatialLayer: 0 }]);
	});

	it('bounds resends where there is no rung, and gives up with the third time in 10 s', () => {
		const viewer = new Viewer({ layers: [SOURCE] });
		expect(viewer.resends(0.9 * SOURCE.rateBps, 5000)).toEqual([]);
		expect(viewer.resends(2 * SOURCE.rateBps)).toMatchObject([{ do: 'kick', spatialLayer: 5, startsEstimator: false }]);
		viewer.nowMs += 2000;
		expect(viewer.resends(2 * SOURCE.rateBps)).toMatchObject([{ do: 'kick', spatialLayer: 5 }]);
		viewer.nowMs += 2000;
		expect(viewer.resends(2 * SOURCE.rateBps)).toEqual([{ do: 'give-up' }]);
	});
});

describe('limits other than the line', () => {
	it.each([
		['the size on the screen', (to: LayerSelector) => to.showOnScreen(0, 380), 1, 'screen'],
		['no size that a rung fills', (to: LayerSelector) => to.showOnScreen(0, 700), undefined, null],
		['the choice', (to: LayerSelector) => to.choose(0, '480p30'), 2, 'choice'],
		['the choice of a rung that is not made', (to: LayerSelector) => to.choose(0, '720p60'), 2, 'choice'],
		['the room of the server', (to: LayerSelector) => to.limitBySeats(0, '160p30'), 0, 'seats'],
	] as const)('%s applies at once', (_name, limit, spatialLayer, limitedBy) => {
		const { selector } = new Viewer();
		expect(limit(selector)).toEqual(spatialLayer === undefined ? [] : [{ do: 'prefer', spatialLayer }]);
		expect(selector.limitedBy).toBe(limitedBy);
	});

	it('choice comes before size, and the lowest limit applies', () => {
		const { selector } = new Viewer();
		selector.showOnScreen(0, 100);
		selector.choose(0, 'source');
		expect(selector.wantedLayer).toBe(5);
		selector.limitBySeats(0, '360p30');
		expect([selector.wantedLayer, selector.limitedBy]).toEqual([1, 'seats']);
	});
});

describe('a line that has carried no picture before', () => {
	it.each([
		['an estimator from the start', true, 'managed'],
		['trials', false, 'by-trial'],
	] as const)('begins with the lowest layer, and goes up with %s', (_name, canEstimate, mode) => {
		const selector = new LayerSelector(ALL, { canEstimate });
		selector.expectPoorLine();
		expect([selector.firstLayer, selector.wantedLayer]).toEqual([0, 0]);
		const actions = selector.begin(0, selector.firstLayer);
		expect(actions).toMatchObject([{ do: 'kick', spatialLayer: 0, startsEstimator: canEstimate }]);
		expect(selector.mode).toBe(mode);
		selector.shown(100, 0);
		const climbs = Array.from({ length: 10 }, (_, second) =>
			selector.read(1000 * (second + 1), { availableBps: 5e6, roundTripMs: 40, lossShare: 0 }),
		).flat();
		expect(climbs).toContainEqual({ do: 'prefer', spatialLayer: 1 });
	});

	it('begins with the source where that is all there is', () => {
		const selector = new LayerSelector([SOURCE], { canEstimate: true });
		selector.expectPoorLine();
		expect(selector.begin(0, selector.firstLayer)).toEqual([]);
		expect([selector.wantedLayer, selector.mode]).toEqual([5, 'free']);
	});
});

describe('layers that come and go', () => {
	it('a rung that goes leaves its viewers on the next lower one, and gets them back', () => {
		const viewer = new Viewer();
		viewer.selector.choose(viewer.nowMs, '480p30');
		const without = [LOWEST, LOW, SOURCE];
		expect(viewer.selector.layersChanged(viewer.nowMs, without)).toEqual([{ do: 'prefer', spatialLayer: 1 }]);
		expect(viewer.selector.layersChanged(viewer.nowMs, ALL)).toEqual([{ do: 'prefer', spatialLayer: 2 }]);
	});

	it('a poor line waits 3 s for the encoder before it gets the source', () => {
		const viewer = new Viewer();
		viewer.resends(2e6);
		expect(viewer.selector.layersChanged(viewer.nowMs, [SOURCE])).toEqual([]);
		expect(viewer.quiet(2)).toEqual([]);
		expect(viewer.quiet(2)).toMatchObject([{ do: 'prefer', spatialLayer: 5 }]);
	});

	it('so does a viewer on a rung because of the server, who gets it back with the encoder', () => {
		const viewer = new Viewer();
		const prefer = (spatialLayer: number): SelectorAction[] => [{ do: 'prefer', spatialLayer }];
		expect(viewer.selector.limitBySeats(viewer.nowMs, '360p30')).toEqual(prefer(1));
		viewer.selector.shown(viewer.nowMs, 1);
		expect(viewer.selector.layersChanged(viewer.nowMs, [SOURCE])).toEqual([]);
		expect(viewer.quiet(2)).toEqual([]);
		expect(viewer.quiet(2)).toEqual(prefer(5));
		expect(viewer.selector.layersChanged(viewer.nowMs, ALL)).toEqual(prefer(1));
	});

	it('a viewer goes up by what the layers take now, not by what they took at the start', () => {
		const viewer = new Viewer({ layers: ALL.map((each) => ({ ...each, rateBps: 3 * each.rateBps })) });
		viewer.resends(5e6);
		expect(viewer.selector.shownLayer?.name).toBe('160p30');
		expect(viewer.quiet(10, { availableBps: 1_000_000 })).toEqual([]);
		viewer.selector.measured(ALL);
		expect(viewer.quiet(10, { availableBps: 1_000_000 })).toMatchObject([{ do: 'prefer', spatialLayer: 1 }]);
	});

	it('a new rung changes nothing for a viewer on the source', () => {
		const viewer = new Viewer({ layers: [SOURCE] });
		expect(viewer.selector.layersChanged(viewer.nowMs, ALL)).toEqual([]);
	});
});

describe('a viewer of the sound alone', () => {
	const soundAlone = (viewer: Viewer): SelectorAction[] => viewer.selector.choose(viewer.nowMs, 'audio');
	const again = (viewer: Viewer): SelectorAction[] => viewer.selector.choose(viewer.nowMs, undefined);

	it('gets no picture by choice, and nothing is judged or changed meanwhile', () => {
		const viewer = new Viewer();
		expect(soundAlone(viewer)).toEqual([{ do: 'pause' }]);
		expect(soundAlone(viewer)).toEqual([]);
		expect(viewer.selector.shown(viewer.nowMs, undefined)).toEqual([]);
		const { shownLayer, limitedBy, isSoundAlone } = viewer.selector;
		expect([shownLayer, limitedBy, isSoundAlone]).toEqual([undefined, 'choice', true]);
		expect(viewer.resends(50e6, 5000)).toEqual([]);
		expect(viewer.quiet(60, { roundTripMs: 4000, lossShare: 0.9 })).toEqual([]);
		expect(viewer.selector.needsReading(viewer.nowMs)).toBe(false);
		expect(viewer.selector.layersChanged(viewer.nowMs, [LOWEST, SOURCE])).toEqual([]);
		expect(viewer.selector.limitBySeats(viewer.nowMs, '360p30')).toEqual([]);
		expect(viewer.selector.showOnScreen(viewer.nowMs, 160)).toEqual([]);
	});

	it.each([
		['a small rung, which has a key frame soon', ALL, 1],
		['the source where there is no rung', [SOURCE], 5],
	])('begins again with %s, and then goes to what they want', (_name, layers, first) => {
		const viewer = new Viewer({ layers });
		soundAlone(viewer);
		viewer.selector.shown(viewer.nowMs, undefined);
		expect(again(viewer)).toEqual([{ do: 'prefer', spatialLayer: first }, { do: 'resume' }]);
		expect(viewer.selector.showOnScreen(viewer.nowMs, 4000)).toEqual([]);
		expect(viewer.selector.shown(viewer.nowMs, undefined)).toEqual([]);
		const next: SelectorAction[] = first === 5 ? [] : [{ do: 'prefer', spatialLayer: 5 }];
		expect(viewer.selector.shown(viewer.nowMs, first)).toEqual(next);
		expect(viewer.selector.limitedBy).toBeNull();
	});

	it('returns to the picture that they choose, and no larger one', () => {
		const viewer = new Viewer();
		soundAlone(viewer);
		const actions = viewer.selector.choose(viewer.nowMs, '160p30');
		expect(actions).toEqual([{ do: 'prefer', spatialLayer: 0 }, { do: 'resume' }]);
		expect(viewer.selector.shown(viewer.nowMs, 0)).toEqual([]);
	});

	it('keeps what is known of a poor line, whose estimate rests meanwhile', () => {
		const viewer = new Viewer();
		viewer.resends(2e6);
		expect(viewer.selector.mode).toBe('managed');
		expect(soundAlone(viewer)).toEqual([{ do: 'pause' }, { do: 'limit', limits: expect.anything() as object }]);
		expect(viewer.selector.drained(viewer.nowMs + 10_000)).toEqual([]);
		viewer.nowMs += 60_000;
		expect(again(viewer).map((action) => action.do)).toEqual(['prefer', 'limit', 'resume']);
		expect(viewer.selector.shown(viewer.nowMs, 0)).toEqual([]);
		expect(viewer.selector.limitedBy).toBe('line');
	});

	it('from the start has no picture to pause, and begins like a newcomer', () => {
		const selector = new LayerSelector(ALL, { canEstimate: true });
		expect(selector.choose(0, 'audio')).toEqual([]);
		expect(selector.choose(1000, undefined)).toEqual([]);
		expect([selector.firstLayer, selector.wantedLayer]).toEqual([1, 5]);
	});
});

describe('lineLimits', () => {
	it('lie between the rate of a layer and that of the next, so that mediasoup keeps it and probes', () => {
		const rates = ALL.map(({ rateBps }) => rateBps);
		const limits = rates.map((_, index) => lineLimits(rates, index));
		limits.forEach(({ minBps, maxBps }, index) => {
			expect(minBps).toBeGreaterThan(rates[index]!);
			expect(minBps).toBeLessThan(rates[index + 1] ?? Infinity);
			expect(maxBps).toBeGreaterThan(1.1 * (rates[index + 1] ?? 0));
		});
		expect(limits[0]).toEqual({ minBps: 592_000, maxBps: 2_025_000 });
	});
});
