/** The pictures that viewers can get, in words for the streamer. Pure. */
import { shortSide } from '../../../../core/media/rung.ts';
import type { ChannelHealth } from '../../../../core/protocol/api/channel-health.ts';
import type { OwnChannelDescription, RungDescription } from '../../../../core/protocol/api/channel-description.ts';
import { RUNG_NAMES, type ShownRung } from '../../../../core/protocol/ladder-choice.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../../../core/protocol/tiers.ts';
import { formatBitrate, formatSize } from '../../app/texts/format.ts';

/** One picture: the source's own, or a rung. */
type LadderRow = {
	rung: ShownRung;
	label: string;
	/** Size and rate. */
	detail: string;
	bitrate: string;
	/** What the server's encoder does with it; undefined where nothing needs saying. */
	state: { words: string; isTrouble: boolean } | undefined;
	/** Viewers whose players report it. */
	viewers: Record<DeliveryTier, number>;
};

type Choice = NonNullable<OwnChannelDescription['ladderChoice']>;

const STATES: Record<RungDescription['state'], LadderRow['state']> = {
	running: undefined,
	starting: { words: 'starting', isTrouble: false },
	restarting: { words: 'encoder is started again', isTrouble: true },
	failing: { words: 'encoder keeps failing', isTrouble: true },
};

/** `720p60`: the shorter side and the rate, where it is known. @internal for tests */
export function formatPicture(picture: { widthPixels: number; heightPixels: number; frameRate: number }): string {
	const rate = Math.round(picture.frameRate);
	return `${shortSide(picture)}p${rate > 0 ? rate : ''}`;
}

/** The source first, then the rungs from the best down. Empty without a picture. */
export function ladderRows({ video, health, ladder, audience }: ChannelHealth): LadderRow[] {
	if (video === null) {
		return [];
	}
	const viewersOf = (rung: ShownRung): LadderRow['viewers'] => {
		const count = (tier: DeliveryTier): number =>
			audience.rungs.find((entry) => entry.tier === tier && entry.rung === rung)?.count ?? 0;
		return { webrtc: count('webrtc'), 'll-hls': count('ll-hls') };
	};
	const source: LadderRow = {
		rung: 'source',
		label: `${formatPicture(video)}, your picture`,
		detail: formatDetail(video),
		bitrate: health === null || health.videoBitrateBps <= 0 ? '' : formatBitrate(health.videoBitrateBps),
		state: undefined,
		viewers: viewersOf('source'),
	};
	const rungs = ladder?.rungs ?? [];
	return [
		source,
		...rungs.map((rung): LadderRow => ({
			rung: rung.name,
			label: formatPicture(rung),
			detail: `${formatDetail(rung)}${rung.from === 'publisher' ? ', from your encoder' : ''}`,
			bitrate: `up to ${formatBitrate(rung.maxBitrateBps)}`,
			state: STATES[rung.state],
			viewers: viewersOf(rung.name),
		})),
	];
}

/** The viewers of the row with the most; at least 1, so that it can divide. */
export function mostViewers(rows: readonly LadderRow[]): number {
	return Math.max(1, ...rows.map(({ viewers }) => DELIVERY_TIERS.reduce((sum, tier) => sum + viewers[tier], 0)));
}

/** A choice as a phrase: `automatic`, `off`, `720p60 and 360p30`. */
export function formatChoice(choice: Choice): string {
	if (typeof choice === 'string') {
		return choice;
	}
	const names = RUNG_NAMES.filter((name) => choice.includes(name));
	return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function formatDetail(picture: { widthPixels: number; heightPixels: number; frameRate: number }): string {
	const size = formatSize(picture.widthPixels, picture.heightPixels);
	return picture.frameRate > 0 ? `${size}, ${Math.round(picture.frameRate)} pictures a second` : size;
}
