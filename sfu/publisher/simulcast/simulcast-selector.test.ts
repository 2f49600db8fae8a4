/** Tests of the choice among simulcast layers: the largest one arrives, at any place in the offer, without flapping. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../core/units.ts';
import { createRtpHeader, type RtpHeader } from '../../../core/wire/rtp/rtp-packet.ts';
import { PICTURE_TICKS } from '../../testing/numbered-pictures.ts';
import { LAYER_SPS } from '../../testing/simulcast-peer.ts';
import { SimulcastSelector } from './simulcast-selector.ts';

/** A copy, because a test adds to it. */
const SPS: Record<string, Buffer> = { ...LAYER_SPS };
const PICTURE_MS = 1000 / 30;

type Sent = { rid: string; picture: number; isKeyFrame: boolean };
type Received = Sent & { sequenceNumber: number; ticks: number; atMs: number };
type Layer = {
	rid: string;
	firstTicks: number;
	sequence: number;
	isOn: boolean;
	wantsKeyFrame: boolean;
	bytes: number;
};

/** Sends layers in an offered order, each with its own clock and numbers, and may answer requests for key frames. */
class Rig {
	readonly received: Received[] = [];
	/** Of the layers below the largest. */
	readonly layersReceived: Received[] = [];
	readonly changes: string[] = [];
	readonly layers: Layer[];
	requestCount = 0;
	nowMs = 1000;
	#picture = 0;
	readonly #selector: SimulcastSelector;
	readonly #gopPictures: number;

	constructor(order: string, options: { gopPictures?: number; answersRequests?: boolean } = {}) {
		this.#gopPictures = options.gopPictures ?? Infinity;
		this.layers = [...order].map((rid, index) => ({
			rid,
			firstTicks: 2 ** 32 - 50_000 + index * 1_000_003,
			sequence: 65_000 + index * 7000,
			isOn: true,
			wantsKeyFrame: true,
			bytes: 100,
		}));
		this.#selector = new SimulcastSelector({
			codec: 'h264',
			layerCount: order.length,
			forward: (packet, header) => this.received.push(this.#read(packet, header)),
			forwardLayer: (_index, packet, header) => this.layersReceived.push(this.#read(packet, header)),
			requestKeyFrame: () => {
				this.requestCount++;
				if (options.answersRequests !== false) {
					for (const layer of this.layers) {
						layer.wantsKeyFrame = true;
					}
				}
			},
			changed: (from, to) => this.changes.push(`${from === undefined ? '' : order[from.index]}>${order[to.index]}`),
		});
	}

	/** Without the half second after each change, which repeats pictures and catches up. */
	get settled(): Received[] {
		let changedAtMs = -Infinity;
		return this.received.filter(({ rid, atMs }, index) => {
			changedAtMs = index > 0 && rid !== this.received[index - 1]!.rid ? atMs : changedAtMs;
			return atMs - changedAtMs > 500;
		});
	}

	layer(rid: string): Layer {
		return this.layers.find((layer) => layer.rid === rid)!;
	}

	/** Sends for a time; `reports` gives each layer's clock once a second. */
	run(ms: number, { reports = false, dropsMarkerOf = '' } = {}): void {
		const count = Math.round(ms / PICTURE_MS);
		for (let index = 0; index < count; index++) {
			const picture = this.#picture++;
			for (const layer of this.layers) {
				this.#sendPicture(layer, picture, dropsMarkerOf === layer.rid);
			}
			if (reports && picture % 30 === 1) {
				this.layers.forEach((layer, place) =>
					this.#selector.recordReport(place, this.nowMs, (layer.firstTicks + picture * PICTURE_TICKS) % 2 ** 32),
				);
			}
			this.nowMs += PICTURE_MS;
		}
	}

	#read(packet: Buffer, header: RtpHeader): Received {
		const [rid, picture, isKeyFrame] = packet.toString('latin1', header.payloadEnd).split(' ');
		return {
			rid: rid!,
			picture: Number(picture),
			isKeyFrame: isKeyFrame === 'key',
			sequenceNumber: header.sequenceNumber,
			ticks: header.timestampTicks,
			atMs: this.nowMs,
		};
	}

	#sendPicture(layer: Layer, picture: number, dropsMarker: boolean): void {
		if (!layer.isOn) {
			return;
		}
		const isKeyFrame = layer.wantsKeyFrame || picture % this.#gopPictures === 0;
		layer.wantsKeyFrame = false;
		const slice = Buffer.alloc(layer.bytes, 0xaa);
		slice[0] = isKeyFrame ? 0x65 : 0x41;
		const payloads = isKeyFrame ? [SPS[layer.rid]!, slice] : [slice, slice];
		payloads.forEach((payload, place) => {
			const isLast = place === payloads.length - 1;
			if (isLast && dropsMarker) {
				layer.sequence++;
				return;
			}
			const mark = `${layer.rid} ${picture} ${isKeyFrame ? 'key' : 'delta'}`;
			this.#selector.receive(
				this.layers.indexOf(layer),
				Buffer.concat([payload, Buffer.from(mark)]),
				{
					...createRtpHeader(),
					hasMarker: isLast,
					sequenceNumber: layer.sequence++ % 2 ** 16,
					timestampTicks: (layer.firstTicks + picture * PICTURE_TICKS) % 2 ** 32,
					payloadStart: 0,
					payloadEnd: payload.length,
				},
				this.nowMs,
			);
		});
	}

	/** Violations of the rules of a stream: one line of numbers and times, and a key frame at each change. */
	violations(): string[] {
		const found: string[] = [];
		for (let index = 1; index < this.received.length; index++) {
			const [before, now] = [this.received[index - 1]!, this.received[index]!];
			const step = unwrap(now.ticks, before.ticks, 32) - before.ticks;
			if ((now.sequenceNumber - before.sequenceNumber + 65_536) % 65_536 !== 1) {
				found.push(`number ${before.sequenceNumber} -> ${now.sequenceNumber}`);
			}
			const isSamePicture = now.rid === before.rid && now.picture === before.picture;
			if (isSamePicture ? step !== 0 : step <= 0) {
				found.push(`time step ${step} at ${now.rid} ${now.picture}`);
			}
			if (now.rid !== before.rid && !now.isKeyFrame) {
				found.push(`${before.rid} to ${now.rid} without a key frame`);
			}
		}
		return found;
	}
}

describe('SimulcastSelector', () => {
	it.each(['fhq', 'qhf', 'hfq', 'qf', 'fq'])(
		'chooses the largest layer from its first key frame on, offered as %s',
		(order) => {
			const rig = new Rig(order);
			rig.run(10_000);
			expect(rig.changes).toEqual(['>f']);
			expect(rig.received[0]).toMatchObject({ rid: 'f', picture: 0, isKeyFrame: true });
			expect(new Set(rig.received.map(({ picture }) => picture)).size).toBe(300);
			expect(rig.violations()).toEqual([]);
		},
	);

	it('does not wait for an offered layer that never comes', () => {
		const rig = new Rig('qhf');
		rig.layer('f').isOn = false;
		rig.run(3000);
		expect(rig.changes).toEqual(['>h']);
		expect(rig.received[0]!.picture).toBe(0);
	});

	it.each([
		['with', true, 90],
		['without', false, 450],
	])(
		'falls back to the next layer, once, and returns to the largest (%s reports)',
		(_name, reports, toleranceTicks) => {
			const rig = new Rig('qhf');
			rig.run(5000, { reports });
			rig.layer('f').isOn = false;
			rig.run(5000, { reports });
			expect(rig.changes).toEqual(['>f', 'f>h']);
			rig.layer('f').isOn = true;
			rig.layer('f').wantsKeyFrame = true;
			rig.run(10_000, { reports });
			expect(rig.changes).toEqual(['>f', 'f>h', 'h>f']);
			expect(rig.violations()).toEqual([]);
			// Times are those of the same instant, to a millisecond with reports and to some without.
			const { ticks: firstTicks, picture: first } = rig.received[0]!;
			const errors = rig.settled.map(
				({ ticks, picture }) => unwrap(ticks, firstTicks, 32) - firstTicks - (picture - first) * PICTURE_TICKS,
			);
			expect(Math.max(...errors.map(Math.abs))).toBeLessThanOrEqual(toleranceTicks);
		},
	);

	it.each([
		['answers', true],
		['ignores', false],
	])('falls without a hole in the media when the publisher %s requests', (_name, answersRequests) => {
		const rig = new Rig('qhf', { gopPictures: 60, answersRequests });
		rig.run(5500);
		const beforeFall = rig.received.length;
		rig.layer('f').isOn = false;
		rig.run(4000);
		const fall = rig.received[beforeFall]!;
		expect(fall.rid).toBe('h');
		expect(fall.atMs - rig.received[beforeFall - 1]!.atMs).toBeLessThan(600);
		const steps = rig.received
			.slice(beforeFall)
			.map(
				({ ticks }, index) =>
					unwrap(ticks, rig.received[beforeFall + index - 1]!.ticks, 32) - rig.received[beforeFall + index - 1]!.ticks,
			);
		expect(Math.max(...steps)).toBeLessThanOrEqual(PICTURE_TICKS + 90);
		expect(rig.violations()).toEqual([]);
	});

	it.each([
		['with', true],
		['without', false],
	])(
		'puts out all layers but the largest with the times of the stream, through a fall (%s reports)',
		(_name, reports) => {
			const rig = new Rig('qhf', { gopPictures: 60 });
			rig.run(6000, { reports });
			rig.layer('f').isOn = false;
			rig.run(4000, { reports });
			rig.layer('f').isOn = true;
			rig.run(8000, { reports });
			expect(rig.changes).toEqual(['>f', 'f>h', 'h>f']);
			const ticksOf = new Map(rig.settled.map(({ picture, ticks }) => [picture, ticks]));
			for (const rid of ['h', 'q']) {
				const own = rig.layersReceived.filter((packet) => packet.rid === rid);
				expect(own[0]).toMatchObject({ picture: 0, isKeyFrame: true });
				expect(new Set(own.map(({ picture }) => picture)).size).toBe(540);
				// One tick more where the stream's picture has been shown from the layer before the change.
				const off = own.filter(({ picture, ticks }) => Math.abs((ticksOf.get(picture) ?? ticks) - ticks) > 1);
				expect(off).toEqual([]);
			}
			expect(rig.layersReceived.some(({ rid }) => rid === 'f')).toBe(false);
		},
	);

	it('soon ignores a layer that comes and goes', () => {
		const rig = new Rig('qhf');
		rig.run(3000);
		for (let round = 0; round < 10; round++) {
			rig.layer('f').isOn = false;
			rig.run(2000);
			rig.layer('f').isOn = true;
			rig.layer('f').wantsKeyFrame = true;
			rig.run(3000);
		}
		expect(rig.changes.length).toBeLessThanOrEqual(5);
	});

	it('treats neither a pause of all layers nor a low frame rate as a layer that is away', () => {
		const rig = new Rig('qhf');
		rig.run(3000);
		rig.nowMs += 20_000;
		rig.run(3000);
		expect(rig.changes).toEqual(['>f']);
	});

	it('changes at the key frames of a publisher that answers no requests', () => {
		const rig = new Rig('qhf', { gopPictures: 60, answersRequests: false });
		rig.run(3000);
		rig.layer('f').isOn = false;
		rig.run(6000);
		expect(rig.changes).toEqual(['>f', 'f>h']);
		expect(rig.violations()).toEqual([]);
		expect(rig.requestCount).toBeLessThanOrEqual(4);
	});

	it('prefers the bit rate among layers of one size', () => {
		const rig = new Rig('fF');
		SPS['F'] = SPS['f']!;
		rig.layer('F').bytes = 1000;
		rig.run(10_000);
		expect(rig.changes).toEqual(['>f', 'f>F']);
	});

	it('does not wait without end for the end of a picture whose last packet is missing', () => {
		const rig = new Rig('qhf');
		rig.run(3000, { dropsMarkerOf: 'f' });
		rig.layer('f').isOn = false;
		rig.run(3000);
		expect(rig.changes).toEqual(['>f', 'f>h']);
	});

	it('keeps one line of numbers and times, with a key frame at each change, for any layers that come and go', () => {
		fc.assert(
			fc.property(
				fc.shuffledSubarray(['q', 'h', 'f'], { minLength: 2 }),
				fc.array(fc.tuple(fc.nat(2), fc.boolean(), fc.integer({ min: 33, max: 4000 })), { maxLength: 12 }),
				fc.boolean(),
				fc.boolean(),
				(order, steps, reports, answersRequests) => {
					const rig = new Rig(order.join(''), { gopPictures: 45, answersRequests });
					for (const [place, isOn, ms] of steps) {
						const layer = rig.layers[place % rig.layers.length]!;
						layer.wantsKeyFrame ||= isOn && !layer.isOn;
						layer.isOn = isOn;
						rig.run(ms, { reports });
					}
					expect(rig.violations()).toEqual([]);
					for (const layer of rig.layers) {
						layer.isOn = true;
					}
					rig.run(70_000, { reports });
					expect(rig.received.at(-1)!.rid).toBe(order.toSorted().at(0));
				},
			),
			{ numRuns: 25 },
		);
	});
});
