/** The messages between a shaped line and the program that carries its packets, over Node's IPC. */
import type { Line } from './line.ts';

/** The ends of both tunnels: the program listens at `ours`, and sends what comes from one to the other. */
export type WireAddresses = {
	server: { ours: string; theirs: string; port: number };
	viewer: { ours: string; theirs: string; port: number };
};

/** Since the line began. Bytes of IP packets. */
export type WireCounts = {
	/** Towards the viewer, as they came from the server. */
	downPackets: number;
	downBytes: number;
	/** Of them, lost by chance. */
	lostPackets: number;
	overtakenPackets: number;
	/** Of the payload of RTP and TCP, sent before. */
	resentBytes: number;
	upPackets: number;
	upBytes: number;
};

export type WireSetup = { addresses: WireAddresses; line: Line; seed: number };

export type ToWire = { type: 'start'; setup: WireSetup } | { type: 'line'; line: Line } | { type: 'count' };
export type FromWire = { type: 'ready' } | { type: 'started' } | { type: 'counts'; counts: WireCounts };
