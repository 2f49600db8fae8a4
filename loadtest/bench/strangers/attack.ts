/** What an attack of the bench is told, and what it counts. The attacks themselves: attack-list.ts. */

/** Where it strikes, and from where. */
export type AttackConfig = {
	name: string;
	httpUrl: string;
	rtmpUrl: string;
	channel: string;
	/** Loopback address that its connections come from; no viewer and no streamer has it. */
	fromAddress: string;
	/** Loopback address of a streamer, for an attack from behind the same address. */
	streamerAddress: string;
	durationMs: number;
};

/** What an attack is given. It ends, with all it has opened, by the end of its process. */
export type AttackContext = {
	config: AttackConfig;
	/** Counts an event by its name: few names, for the report. */
	count(name: string): void;
};

/** Goes on for ever. Rejects when it cannot be made. */
export type Attack = (context: AttackContext) => Promise<unknown>;

/** Events by name. */
export type AttackCounts = Record<string, number>;

/** An attack's process → the bench. It begins with the first message that it gets. */
export type AttackMessage = { type: 'ready' } | { type: 'counts'; counts: AttackCounts };
