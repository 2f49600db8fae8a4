/**
 * Content steering (draft-pantos-hls-rfc8216bis §4.4.6.6, §7): several CDNs have the same media, each is a pathway, and
 * the steering manifest says in which order a player uses them. Pure.
 */
import { createHash } from 'node:crypto';
import type { Cdn } from '../config/packager-config.ts';

/** A pathway of one channel or video: its id, and what stands before the addresses of its media. */
export type Pathway = { id: string; base: string };

export const STEERING_PATH = '/hls/steering.json';
/** §7.2 recommends 300 s. */
const TTL_SECONDS = 300;
/** A player stays with its order of CDNs; so many orders share the players out finely enough. */
export const MAX_SEED = 1000;

/** `path`: from the root of the server to the channel or video, with slashes at both ends. */
export function pathwaysOf(cdns: readonly Cdn[], path: string): Pathway[] {
	return byWeight(cdns).map(({ id, baseUrl }) => ({ id, base: baseUrl.replace(/\/+$/, '') + path }));
}

/** The steering manifest (§7.2) for players with this seed, from 0 to {@link MAX_SEED}, exclusive. */
export function steeringManifest(cdns: readonly Cdn[], seed: number): object {
	return {
		VERSION: 1,
		TTL: TTL_SECONDS,
		'RELOAD-URI': `${STEERING_PATH}?seed=${seed}`,
		'PATHWAY-PRIORITY': byChance(cdns, seed).map(({ id }) => id),
	};
}

function byWeight(cdns: readonly Cdn[]): Cdn[] {
	return cdns.toSorted((one, other) => weightOf(other) - weightOf(one));
}

/**
 * Each CDN is first for its share of the seeds, and a new one takes players from all others alike: the highest
 * chance ^ (1 / weight) comes first (Efraimidis and Spirakis, weighted random sampling).
 */
function byChance(cdns: readonly Cdn[], seed: number): Cdn[] {
	const rankOf = (cdn: Cdn): number => {
		const chance = (createHash('sha256').update(`${seed} ${cdn.id}`).digest().readUInt32BE() + 1) / 2 ** 32;
		return weightOf(cdn) === 0 ? -chance : chance ** (1 / weightOf(cdn));
	};
	return cdns
		.map((cdn) => ({ cdn, rank: rankOf(cdn) }))
		.sort((one, other) => other.rank - one.rank)
		.map(({ cdn }) => cdn);
}

function weightOf({ weight = 1 }: Cdn): number {
	return weight;
}
