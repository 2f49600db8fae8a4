/** What the load tester's processes tell each other over Node's IPC. Everything here survives JSON. */
import type { HistogramData } from './histogram.ts';

/** Kinds of process. */
export const ROLE_NAMES = ['publisher', 'webrtc', 'hls', 'audience', 'chat', 'pixel'] as const;
/** One of {@link ROLE_NAMES}. */
export type RoleName = (typeof ROLE_NAMES)[number];

/** Addresses that viewers use; one that is absent is not used in this run. */
export type Endpoints = {
	httpUrl?: string;
	whip?: string;
	rtmp?: string;
	whep?: string;
	hls?: string;
	signaling?: string;
	/** Port in the WHEP answer → port to connect to instead. */
	webRtcPortMap: Record<number, number>;
};

/** What one process is to do. */
export type RoleConfig = {
	role: RoleName;
	/** `webrtc-1`; names its own figures. */
	processName: string;
	/** Viewers of this process, and when each arrives, in milliseconds from the start. */
	arrivalsMs: number[];
	/** Audience only: its viewers want LL-HLS, whatever room there is. */
	isPinnedToHls: boolean;
	endpoints: Endpoints;
	channel: string;
	streamKey: string;
	/** Add to this machine's epoch milliseconds to get the server's. */
	clockOffsetMs: number;
	/** Share of the process's time that is burnt on purpose. */
	starveRatio: number;
	/** The process ends by itself after this long, whatever else happens. */
	maxLifeMs: number;
	publish: 'rtmp' | 'whip' | undefined;
	picture: { widthPixels: number; heightPixels: number; videoBitrateBps: number; gopSeconds: number };
	/** Random, the same in all processes of a run: tells its own chat messages from others'. */
	runId: string;
	/** Chat only: number of this process's first sender. */
	firstSender: number;
	/** Chat only: senders of this process and their messages per second, all together. */
	chatSenderCount: number;
	chatRate: number;
};

/** What was counted since the last message. */
export type FiguresData = {
	/** Grow only: added up over all processes. */
	counters: Record<string, number>;
	/** State now: the newest of each process, added up. */
	gauges: Record<string, number>;
	samples: Record<string, HistogramData>;
};

/** Parent → child. */
export type ParentMessage =
	| { type: 'start'; config: RoleConfig }
	/** One more viewer comes, now. */
	| { type: 'arrive' }
	/** This many viewers leave, spread over the time. */
	| { type: 'leave'; count: number; overMs: number }
	| { type: 'stop' };

/** Child → parent. */
export type ChildMessage =
	| { type: 'ready' }
	/** The role has begun: the publisher publishes, the viewers' schedule runs. */
	| { type: 'started' }
	| { type: 'figures'; figures: FiguresData }
	| { type: 'note'; text: string }
	| { type: 'failed'; message: string };
