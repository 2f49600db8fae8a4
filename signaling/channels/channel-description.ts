/** Describes a channel and its broadcast for the API. */
import type { ChannelDescription, LegDescription } from '../../core/protocol/api/channel-description.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { Channel } from './channel-store.ts';

/** Returns the public part. `viewerCount`: null when viewers are not counted. */
export function describeChannel(
	channel: Channel,
	broadcast: Broadcast | undefined,
	viewerCount: number | null = null,
): ChannelDescription {
	const state = broadcast === undefined || broadcast.state === 'ended' ? 'offline' : broadcast.state;
	const source = state === 'offline' ? undefined : broadcast?.source;
	return {
		id: channel.id,
		name: channel.name,
		title: channel.title,
		category: channel.category ?? null,
		ownerName: channel.ownerName ?? null,
		policy: channel.policy,
		state,
		startedAt: state === 'offline' ? null : new Date(broadcast!.startedAt).toISOString(),
		viewerCount,
		video:
			source === undefined
				? null
				: {
						codec: source.codec,
						widthPixels: source.widthPixels,
						heightPixels: source.heightPixels,
						frameRate: Math.round((broadcast?.health?.frameRate ?? 0) * 100) / 100,
					},
		legs: state === 'offline' ? [] : describeLegs(broadcast),
		whepUrl: `/whep/${channel.name}`,
		hlsUrl: `/hls/${channel.name}/index.m3u8`,
	};
}

function describeLegs(broadcast: Broadcast | undefined): LegDescription[] {
	return (broadcast?.plan?.legs ?? []).map((leg) => {
		const encoder = broadcast?.encoderStates.find(({ track, tier }) => track === leg.track && tier === leg.tier);
		return encoder === undefined ? leg : { ...leg, encoder: encoder.state };
	});
}
