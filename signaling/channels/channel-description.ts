/** Describes a channel and its broadcast for the API. */
import { displaySize } from '../../core/media/codecs.ts';
import type {
	ChannelDescription,
	LadderDescription,
	LegDescription,
} from '../../core/protocol/api/channel-description.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import { rungPicture } from '../../ingest/media-plan/ladder.ts';
import type { Channel } from './channel-store.ts';

const NO_SIZE = { widthPixels: 0, heightPixels: 0 };

/** What of a channel is known elsewhere. */
type FurtherFacts = {
	/** Null when viewers are not counted. */
	viewerCount?: number | null;
} & Partial<MediaFacts>;

/** What is made of a broadcast besides what viewers watch. */
export type MediaFacts = {
	/** Of its still picture, another one for each; undefined: there is none. */
	stillVersion: string | undefined;
	/** It is recorded, and something of it is stored. */
	canBeClipped: boolean;
};

/** Returns the public part. */
export function describeChannel(
	channel: Channel,
	broadcast: Broadcast | undefined,
	{ viewerCount = null, stillVersion, canBeClipped = false }: FurtherFacts = {},
): ChannelDescription {
	const state = broadcast === undefined || broadcast.state === 'ended' ? 'offline' : broadcast.state;
	const source = state === 'offline' ? undefined : broadcast?.source;
	const hasPictures = state !== 'offline' && stillVersion !== undefined;
	return {
		id: channel.id,
		name: channel.name,
		title: channel.title,
		category: channel.category ?? null,
		ownerName: channel.ownerName ?? null,
		policy: channel.policy,
		state,
		broadcastId: state === 'offline' ? null : broadcast!.id,
		startedAt: state === 'offline' ? null : new Date(broadcast!.startedAt).toISOString(),
		viewerCount,
		video:
			source === undefined
				? null
				: {
						codec: source.codec,
						widthPixels: source.widthPixels,
						heightPixels: source.heightPixels,
						frameRate: roundRate(broadcast?.health?.frameRate ?? 0),
					},
		legs: state === 'offline' ? [] : describeLegs(broadcast),
		ladder: state === 'offline' ? null : describeLadder(broadcast),
		whepUrl: `/whep/${channel.name}`,
		hlsUrl: `/hls/${channel.name}/index.m3u8`,
		stillUrl: hasPictures ? `/api/v1/channels/${channel.name}/still.jpg?v=${stillVersion}` : null,
		storyboardUrl: hasPictures ? `/api/v1/channels/${channel.name}/storyboard` : null,
		canBeClipped: state !== 'offline' && canBeClipped,
	};
}

function describeLegs(broadcast: Broadcast | undefined): LegDescription[] {
	return (broadcast?.plan?.legs ?? []).map((leg) => {
		const encoder = broadcast?.encoderStates.find(({ track, tier }) => track === leg.track && tier === leg.tier);
		return encoder === undefined ? leg : { ...leg, encoder: encoder.state };
	});
}

function describeLadder(broadcast: Broadcast | undefined): LadderDescription | null {
	const { plan, source, health, pictureEncoder } = broadcast ?? {};
	if (plan === undefined) {
		return null;
	}
	const { rungs, leftOut, reason } = plan.ladder;
	// Rungs belong to a source that is known.
	const picture = { ...(rungs.length === 0 ? NO_SIZE : displaySize(source!)), frameRate: health?.frameRate ?? 0 };
	return {
		rungs: rungs.map((rung) => {
			const { widthPixels, heightPixels, frameRate } = rungPicture(picture, rung);
			const isMade = rung.layer === undefined;
			const hasBegun = pictureEncoder?.begunRungs.includes(rung.name) === true;
			return {
				name: rung.name,
				widthPixels,
				heightPixels,
				frameRate: roundRate(frameRate),
				maxBitrateBps: rung.maxBitrateBps,
				from: isMade ? 'server' : 'publisher',
				state: !isMade ? 'running' : hasBegun ? pictureEncoder.state : 'starting',
			};
		}),
		leftOut: leftOut.map((rung) => ({ name: rung.name, reason: rung.reason })),
		reason,
		encoder: pictureEncoder?.inUse?.name ?? null,
	};
}

function roundRate(frameRate: number): number {
	return Math.round(frameRate * 100) / 100;
}
