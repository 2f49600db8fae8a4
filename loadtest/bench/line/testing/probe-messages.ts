/** The messages of the probe at the end of a line under test. */
export type ProbeArrival = { number: number; sentAtMs: number; arrivedAtMs: number };

export type ToProbe = { type: 'collect' } | { type: 'download'; url: string };

export type FromProbe =
	| { type: 'ready'; port: number }
	| { type: 'arrivals'; arrivals: ProbeArrival[] }
	| { type: 'downloaded'; hash: string; byteCount: number };
