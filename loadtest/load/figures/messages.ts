/** The messages between the load tester's processes over Node's IPC, as JSON. */
import type { VariantChoice } from '../../clients/hls/media-playlist.ts';
import type { HistogramData } from './histogram.ts';

/** Kinds of process. */
export const ROLE_NAMES = ['publisher', 'webrtc', 'hls', 'audience', 'chat', 'pixel'] as const;
export type RoleName = (typeof ROLE_NAMES)[number];

/** Addresses of a run; an absent one is not used. */
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

/** The task of one process. */
export type RoleConfig = {
	role: RoleName;
	/** `webrtc-1`; part of the names of its own figures. */
	processName: string;
	/** The arrival of each viewer of this process, from the start. */
	arrivalsMs: number[];
	/** Of viewers by LL-HLS. */
	hlsVariant: VariantChoice;
	/** Audience only: its viewers choose LL-HLS themselves. */
	isPinnedToHls: boolean;
	endpoints: Endpoints;
	channel: string;
	streamKey: string;
	/** Add to this machine's epoch milliseconds to get the server's. */
	clockOffsetMs: number;
	/** Share of the process's time that is burnt on purpose. */
	starveRatio: number;
	/** The process ends by itself after this long. */
	maxLifeMs: number;
	publish: 'rtmp' | 'whip' | undefined;
	picture: { widthPixels: number; heightPixels: number; videoBitrateBps: number; gopSeconds: number };
	/** Random, the same in all processes of a run: marks its own chat messages. */
	runId: string;
	/** Chat only: number of this process's first sender. */
	firstSender: number;
	/** Chat only: senders of this process and their messages per second, all together. */
	chatSenderCount: number;
	chatRate: number;
};

/** The figures since the last message. */
export type FiguresData = {
	/** Added up over all processes. */
	counters: Record<string, number>;
	/** The state now: the newest of each process, added up. */
	gauges: Record<string, number>;
	samples: Record<string, HistogramData>;
};

/** Parent → child. */
export type ParentMessage =
	| { type: 'start'; config: RoleConfig }
	/** One more viewer arrives now. */
	| { type: 'arrive' }
	/** This many viewers leave, spread over the time. */
	| { type: 'leave'; count: number; overMs: number }
	| { type: 'stop' };

/** Child → parent. */
export type ChildMessage =
	| { type: 'ready' }
	/** The publisher publishes, or the viewers' schedule runs. */
	| { type: 'started' }
	| { type: 'figures'; figures: FiguresData }
	| { type: 'note'; text: string }
	| { type: 'failed'; message: string };
