/** What a {@link HandOver} is given, and what it reports. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../../core/logger.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { TierFailureCause } from './emergency-watch.ts';
import type { Playback } from '../playback/playback.ts';
import type { PlaybackError } from '../playback/playback-state.ts';
import type { WatchSettings } from './screen.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** How a playback is to begin. */
export type PlaybackStart = {
	/** WebRTC: sound and picture are held back for so long at first. */
	delayMs?: number;
	/** LL-HLS: begin here instead of at the live edge, the server's epoch milliseconds. */
	fromCaptureTimeMs?: number;
};

/**
 * What was found out about the viewer's line. `real-time-given-up`: the WebRTC picture stood, and LL-HLS is on its way.
 * `starved`: LL-HLS does not get what it needs either.
 */
export type LineProblem = 'real-time-given-up' | 'starved';

/** What a {@link HandOver} reports. */
export type HandOverEvents = {
	/** Something that the page shows may be different: the screen, its state, or a change under way. */
	changed: [];
	/** Another tier is watched now. */
	swapped: [tier: DeliveryTier];
	/** The change to a tier was given up; the other one plays on. */
	switchFailed: [tier: DeliveryTier, error: PlaybackError | undefined];
	/** A tier does not work here and now. The other one takes over by itself. */
	tierFailed: [tier: DeliveryTier, cause: TierFailureCause];
	/** At the front again, or out of the video element's full screen: which tier it is to be is for the listener to choose now. */
	mayChange: [];
	/** The browser wants a click before it gives sound. */
	soundBlocked: [];
};

/** Everything a {@link HandOver} needs. */
export type HandOverOptions = {
	container: HTMLElement;
	createPlayback: (tier: DeliveryTier, start: PlaybackStart) => Playback;
	settings: WatchSettings;
	channelState: ChannelState;
	clock: Clock;
	logger: Logger;
	/** May LL-HLS take over in an emergency? */
	canHls: boolean;
	/** A page that nobody sees may be paused by the browser. */
	isPageVisible: () => boolean;
};
