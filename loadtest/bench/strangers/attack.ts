/** Input and counts of the bench's attacks, which attack-list.ts names. */

export type AttackConfig = {
	name: string;
	httpUrl: string;
	rtmpUrl: string;
	channel: string;
	/** Loopback address of its connections; no viewer and no streamer has it. */
	fromAddress: string;
	/** Loopback address of a streamer, for an attack from the same address. */
	streamerAddress: string;
	durationMs: number;
};

export type AttackContext = {
	config: AttackConfig;
	/** Counts an event by its name: few names, for the report. */
	count(name: string): void;
};

/** Runs until its process ends. Rejects when it cannot begin. */
export type Attack = (context: AttackContext) => Promise<unknown>;

/** Events by name. */
export type AttackCounts = Record<string, number>;

/** An attack's process → the bench. */
export type AttackMessage = { type: 'ready' } | { type: 'counts'; counts: AttackCounts };
