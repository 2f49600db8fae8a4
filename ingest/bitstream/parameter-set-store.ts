/**
 * The H.264 parameter sets of a publisher by their ids, wherever they came from, and the configuration that they make.
 */
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

/** All sets at one moment. */
export type ParameterSets = { sps: ReadonlyMap<number, StoredSps>; pps: ReadonlyMap<number, StoredPps> };

/** ITU-T H.264 §7.4.2.1.1, §7.4.2.2: ids run to 31 and 255; more sets than this in one stream are not honest. */
export const MAX_PARAMETER_SET_COUNT = 32;
/**
 * They have 10 to 100 bytes; with all scaling lists and HRD values some 900. What is longer fits into no RTP packet.
 */
const MAX_PARAMETER_SET_BYTES = 1024;

/** Why a set was not taken. */
type ParameterSetProblem = 'parameter-set-unreadable' | 'parameter-set-too-long' | 'too-many-parameter-sets';

/** Keeps the newest set of each id. */
export class ParameterSetStore {
	readonly #sps = new Map<number, StoredSps>();
	readonly #pps = new Map<number, StoredPps>();
	/** Ids that came since {@link settle}, whether they changed anything or not. */
	readonly #recentSps = new Set<number>();
	readonly #recentPps = new Set<number>();
	#changed: Uint8Array[] = [];

	/** Takes a set; a copy is kept. */
	add(nal: Uint8Array): ParameterSetProblem | undefined {
		const isSps = nalType(nal) === NAL_TYPE.SPS;
		if (nal.length > MAX_PARAMETER_SET_BYTES) {
			return 'parameter-set-too-long';
		}
		return isSps ? this.#addSps(nal) : this.#addPps(nal);
	}

	/** The SPS that slices with this PPS use; without an id that of the first PPS. */
	active(ppsId: number | undefined): SpsFacts | undefined {
		const pps = ppsId === undefined ? this.#firstUsablePps() : this.#pps.get(ppsId);
		return pps === undefined ? undefined : this.#sps.get(pps.spsId)?.facts;
	}

	/** True when nothing has come yet. */
	get isEmpty(): boolean {
		return this.#sps.size === 0 || this.#pps.size === 0;
	}

	/** How to read the header of a slice with this PPS. */
	readonly syntax = (ppsId: number): SliceSyntax | undefined => this.active(ppsId)?.sliceSyntax;

	/** The sets now. */
	snapshot(): ParameterSets {
		return { sps: new Map(this.#sps), pps: new Map(this.#pps) };
	}

	/** All sets, that of the pictures first. */
	config(active: SpsFacts): VideoTrackConfig {
		const others = [...this.#sps.values()].filter(({ facts }) => facts.id !== active.id).toSorted(byFactsId);
		return {
			kind: 'video',
			codec: 'h264',
			widthPixels: active.widthPixels,
			heightPixels: active.heightPixels,
			sps: [this.#sps.get(active.id)!, ...others].map(({ nal }) => nal),
			pps: [...this.#pps].toSorted(([one], [other]) => one - other).map(([, { nal }]) => nal),
		};
	}

	/** Another configuration begins with this SPS: forgets what is left of the one before. */
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

	/** True when every set now decodes like the one of its id in `other`. */
	isInterchangeableWith(other: ParameterSets): boolean {
		return (
			[...this.#sps].every(([id, { facts }]) => {
				const match = other.sps.get(id);
				return match !== undefined && isInterchangeableSps(match.facts, facts);
			}) &&
			[...this.#pps].every(([id, { nal }]) => {
				const match = other.pps.get(id);
				// The first byte holds nal_ref_idc, which says nothing here.
				return match !== undefined && isSameBytes(match.nal.subarray(1), nal.subarray(1));
			})
		);
	}

	/** A picture was made of what came: gives the sets that were new, and begins to count afresh. */
	settle(): Uint8Array[] {
		const changed = this.#changed;
		this.#changed = [];
		this.#recentSps.clear();
		this.#recentPps.clear();
		return changed;
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
		return [...this.#pps]
			.toSorted(([one], [other]) => one - other)
			.map(([, pps]) => pps)
			.find(({ spsId }) => this.#sps.has(spsId));
	}
}

function byFactsId(one: StoredSps, other: StoredSps): number {
	return one.facts.id - other.facts.id;
}
