/** Tests which tiers of a channel can be watched. */
import { expect, it } from 'vitest';
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { ChannelPolicy } from '../../core/protocol/api/channel-description.ts';
import { NO_LADDER, planOf, type Leg, type MediaPlan } from '../../ingest/media-plan/media-planner.ts';
import type { Channel } from './channel-store.ts';
import { withPlayableTiers } from './channel-locator.ts';

const channel = (mode: ChannelPolicy['mode']): Channel => ({
	id: 'c1' as ChannelId,
	name: 'demo' as ChannelName,
	title: '',
	category: undefined,
	graceWindowSeconds: undefined,
	ladderChoice: undefined,
	policy: { mode, interactiveSeats: 7 },
	ownerId: undefined,
	ownerName: undefined,
	createdAt: new Date(0),
});
const leg = (tier: 'webrtc' | 'll-hls', isOff: boolean): Leg => ({
	track: 'video',
	tier,
	mode: isOff ? 'off' : 'pass-through',
	reason: '',
});
/** A plan in which these tiers get no picture. */
const plan = (isWebRtcOff: boolean, isLlHlsOff: boolean): MediaPlan =>
	planOf([leg('webrtc', isWebRtcOff), leg('ll-hls', isLlHlsOff)], NO_LADDER);

it.each([
	['automatic', undefined, 'automatic'],
	['automatic', plan(false, true), 'automatic'],
	['automatic', plan(true, false), 'mass-only'],
	// Neither tier has a picture, so the faster one stays for the sound.
	['automatic', plan(true, true), 'automatic'],
	['interactive-only', plan(true, false), 'interactive-only'],
	['mass-only', plan(true, false), 'mass-only'],
] as const)('turns the policy "%s" with %j into "%s"', (mode, running, expected) => {
	expect(withPlayableTiers(channel(mode), running).policy).toEqual({ mode: expected, interactiveSeats: 7 });
});
