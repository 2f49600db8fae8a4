/** Collects the H.264 parameter sets of a clip: whether one list serves all of it, and which numbers are free. Pure. */
import { isSameBytes, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { NAL_TYPE, nalType } from '../../core/media/h264.ts';
import { parsePps, parseSps, type SpsFacts } from '../../core/media/h264-parameter-sets.ts';

/** An encoder numbers both sets alike. */
const MAX_SPS_ID = 31;

type ParameterSet = { nal: Uint8Array; kind: 'sps' | 'pps'; id: number; facts: SpsFacts | undefined };

export class ParameterSets {
	readonly #sets = new Map<string, ParameterSet>();
	#first: SpsFacts | undefined;
	#isOneConfiguration = true;

	/** What an init segment has, or a picture. NAL units that are no parameter sets are passed over. */
	add(nals: readonly Uint8Array[]): void {
		for (const nal of nals) {
			const set = readSet(nal);
			if (set === undefined) {
				this.#isOneConfiguration &&= !isParameterSet(nal);
				continue;
			}
			const key = `${set.kind}${set.id}`;
			const former = this.#sets.get(key);
			if (former === undefined) {
				this.#sets.set(key, { ...set, nal: nal.slice() });
			}
			this.#isOneConfiguration &&= former === undefined || isSameBytes(former.nal, nal);
			this.#isOneConfiguration &&= set.facts === undefined || this.#isLikeFirst(set.facts);
		}
	}

	/** A decoder that has all sets can decode all pictures, and they are what we can encode more of. */
	get isOneConfiguration(): boolean {
		return this.#isOneConfiguration;
	}

	/** A number that no set has; undefined when there is none. */
	get freeId(): number | undefined {
		const used = new Set([...this.#sets.values()].map(({ id }) => id));
		return Array.from({ length: MAX_SPS_ID + 1 }, (_, index) => MAX_SPS_ID - index).find((id) => !used.has(id));
	}

	/** All sets, those of `config` first. */
	complete(config: VideoTrackConfig): VideoTrackConfig {
		const of = (kind: 'sps' | 'pps', own: readonly Uint8Array[]): Uint8Array[] => {
			const all = [...this.#sets.values()].filter((set) => set.kind === kind).map(({ nal }) => nal);
			return [...own, ...all.filter((nal) => !own.some((other) => isSameBytes(nal, other)))];
		};
		return { ...config, sps: of('sps', config.sps), pps: of('pps', config.pps) };
	}

	#isLikeFirst(facts: SpsFacts): boolean {
		this.#first ??= facts;
		const { sampleAspectRatio } = this.#first;
		return (
			facts.chromaFormatIdc === 1 &&
			Math.max(facts.bitDepthLuma, facts.bitDepthChroma) === 8 &&
			!facts.isInterlaced &&
			facts.profileIdc === this.#first.profileIdc &&
			facts.widthPixels === this.#first.widthPixels &&
			facts.heightPixels === this.#first.heightPixels &&
			facts.sampleAspectRatio.width === sampleAspectRatio.width &&
			facts.sampleAspectRatio.height === sampleAspectRatio.height
		);
	}
}

/** SPS or PPS. */
export function isParameterSet(nal: Uint8Array): boolean {
	const type = nalType(nal);
	return type === NAL_TYPE.SPS || type === NAL_TYPE.PPS;
}

function readSet(nal: Uint8Array): Omit<ParameterSet, 'nal'> | undefined {
	if (nalType(nal) === NAL_TYPE.SPS) {
		const facts = parseSps(nal);
		return facts && { kind: 'sps', id: facts.id, facts };
	}
	const ids = nalType(nal) === NAL_TYPE.PPS ? parsePps(nal) : undefined;
	return ids && { kind: 'pps', id: ids.id, facts: undefined };
}
