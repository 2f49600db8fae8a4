/** What browsers have and TypeScript's DOM library lacks. Everything is optional: no browser has all of it. */
import type { PlayerStatistics } from './create-player.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

declare global {
	/** https://w3c.github.io/webrtc-extensions/#rtp-header-extension-control-dom */
	interface RtpHeaderExtensionNegotiation {
		uri: string;
		direction: RTCRtpTransceiverDirection;
	}
	interface RTCRtpTransceiver {
		getHeaderExtensionsToNegotiate?(): RtpHeaderExtensionNegotiation[];
		setHeaderExtensionsToNegotiate?(extensions: RtpHeaderExtensionNegotiation[]): void;
	}
	interface RTCRtpSynchronizationSource {
		captureTimestamp?: number;
		senderCaptureTimeOffset?: number;
	}
	interface HTMLVideoElement {
		/** Safari on iPhone, where only the video element itself can fill the screen. */
		webkitEnterFullscreen?(): void;
		webkitExitFullscreen?(): void;
		readonly webkitDisplayingFullscreen?: boolean;
		/**
		 * Safari: the wall-clock time of media time zero
		 * (https://developer.apple.com/documentation/webkitjs/htmlmediaelement).
		 */
		getStartDate?(): Date;
	}
	interface Window {
		/** For tests and the measuring bench; nothing secret. */
		__spillway?: {
			readonly statistics: PlayerStatistics | undefined;
			/** Same as the viewer's choice on the page. */
			switchTier(tier: DeliveryTier): void;
		};
	}
}
