/** The H.264 parameter sets of a publisher by id, from any source, and the configuration that they form. */
import { isSameBytes, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, nalType } from '../../core/media/h264.ts';
import {
	isInterchangeableSps,
	parsePps,
	parseSps,
	type SliceSyntax,
	type SpsFacts,
} from '../../core/media/h264-parameter-sets.ts';

type StoredSps = { nal: Uint8Array; facts: SpsFacts };
type StoredPps = { nal: Uint8Array; spsId: number };

export type ParameterSets = { sps: ReadonlyMap<number, StoredSps>; pps: ReadonlyMap<number, StoredPps> };

/** ITU-T H.264 §7.4.2.1.1, §7.4.2.2: ids run to 31 and 255; no real stream has more sets than this. */
export const MAX_PARAMETER_SET_COUNT = 32;
/** Sets have 10 to 100 bytes; with all scaling lists and HRD values some 900. A longer one fits into no RTP packet. */
const MAX_PARAMETER_SET_BYTES = 1024;

type ParameterSetProblem = 'parameter-set-unreadable' | 'parameter-set-too-long' | 'too-many-parameter-sets';

/** Keeps the newest set of each id. */
export class ParameterSetStore {
	readonly #sps = new Map<number, StoredSps>();
	readonly #pps = new Map<number, StoredPps>();
	/** Ids of all sets since {@link settle}, changed or not. */
	readonly #recentSps = new Set<number>();
	readonly #recentPps = new Set<number>();
	readonly #changed: Uint8Array[] = [];

	/** Keeps a copy of a set. Returns why it was rejected. */
	add(nal: Uint8Array): ParameterSetProblem | undefined {
		if (nal.length > MAX_PARAMETER_SET_BYTES) {
			return 'parameter-set-too-long';
		}
		return nalType(nal) === NAL_TYPE.SPS ? this.#addSps(nal) : this.#addPps(nal);
	}

	/** The SPS that slices with this PPS use; without an id that of the first PPS. */
	active(ppsId: number | undefined): SpsFacts | undefined {
		const pps = ppsId === undefined ? this.#firstUsablePps() : this.#pps.get(ppsId);
		return pps === undefined ? undefined : this.#sps.get(pps.spsId)?.facts;
	}

	/** True before there is a set of each kind. */
	get isEmpty(): boolean {
		return this.#sps.size === 0 || this.#pps.size === 0;
	}

	/** How to read the header of a slice with this PPS. */
	readonly syntax = (ppsId: number): SliceSyntax | undefined => this.active(ppsId)?.sliceSyntax;

	snapshot(): ParameterSets {
		return { sps: new Map(this.#sps), pps: new Map(this.#pps) };
	}

	/** All sets, the active SPS first. */
	config(active: SpsFacts): VideoTrackConfig {
		const others = [...this.#sps.values()].filter(({ facts }) => facts.id !== active.id);
		others.sort((one, other) => one.facts.id - other.facts.id);
		return {
			kind: 'video',
			codec: 'h264',
			widthPixels: active.widthPixels,
			heightPixels: active.heightPixels,
			sps: [this.#sps.get(active.id)!, ...others].map(({ nal }) => nal),
			pps: this.#sortedPps().map(({ nal }) => nal),
		};
	}

	/** Another configuration begins with this SPS: deletes the rest of the previous one. */
	dropStale(active: SpsFacts): void {
		for (const id of this.#sps.keys()) {
			if (id !== active.id && !this.#recentSps.has(id)) {
				this.#sps.delete(id);
			}
		}
		for (const [id, { spsId }] of this.#pps) {
			if (!this.#sps.has(spsId) || (this.#recentPps.size > 0 && !this.#recentPps.has(id))) {
				this.#pps.delete(id);
			}
		}
	}

	/** True when every set decodes like the one of its id in `other`. */
	isInterchangeableWith(other: ParameterSets): boolean {
		return (
			[...this.#sps].every(([id, { facts }]) => {
				const match = other.sps.get(id);
				return match !== undefined && isInterchangeableSps(match.facts, facts);
			}) &&
			[...this.#pps].every(([id, { nal }]) => {
				const match = other.pps.get(id);
				// The first byte holds nal_ref_idc, which does not matter here.
				return match !== undefined && isSameBytes(match.nal.subarray(1), nal.subarray(1));
			})
		);
	}

	/** A picture is complete: removes and returns the changed sets, and clears the recent ids. */
	settle(): Uint8Array[] {
		this.#recentSps.clear();
		this.#recentPps.clear();
		return this.#changed.splice(0);
	}

	#addSps(nal: Uint8Array): ParameterSetProblem | undefined {
		for (const [id, stored] of this.#sps) {
			if (isSameBytes(stored.nal, nal)) {
				this.#recentSps.add(id);
				return undefined;
			}
		}
		const facts = parseSps(nal);
		if (facts === undefined) {
			return 'parameter-set-unreadable';
		}
		if (this.#sps.size >= MAX_PARAMETER_SET_COUNT - 1 && !this.#sps.has(facts.id)) {
			return 'too-many-parameter-sets';
		}
		const stored = { nal: nal.slice(), facts };
		this.#sps.set(facts.id, stored);
		this.#recentSps.add(facts.id);
		this.#changed.push(stored.nal);
		return undefined;
	}

	#addPps(nal: Uint8Array): ParameterSetProblem | undefined {
		const ids = parsePps(nal);
		if (ids === undefined) {
			return 'parameter-set-unreadable';
		}
		this.#recentPps.add(ids.id);
		const current = this.#pps.get(ids.id);
		if (current !== undefined && isSameBytes(current.nal, nal)) {
			return undefined;
		}
		if (current === undefined && this.#pps.size >= MAX_PARAMETER_SET_COUNT) {
			return 'too-many-parameter-sets';
		}
		const stored = { nal: nal.slice(), spsId: ids.spsId };
		this.#pps.set(ids.id, stored);
		this.#changed.push(stored.nal);
		return undefined;
	}

	#firstUsablePps(): StoredPps | undefined {
		return this.#sortedPps().find(({ spsId }) => this.#sps.has(spsId));
	}

	#sortedPps(): StoredPps[] {
		return [...this.#pps].toSorted(([one], [other]) => one - other).map(([, pps]) => pps);
	}
}
