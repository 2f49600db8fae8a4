/** What Chromium has and TypeScript's DOM library does not yet. Everything optional: other browsers lack it. */
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
	}
	interface Window {
		/** For tests and the measuring bench; nothing secret. See main.ts. */
		__spillway?: {
			readonly statistics: PlayerStatistics | undefined;
			/** As the page's own choice between the tiers. */
			switchTier(tier: DeliveryTier): void;
		};
	}
}
