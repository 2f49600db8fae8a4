/** A viewer on a simulated line, for tests. */
import { silentLogger } from '../../../../../core/logger.ts';
import { FakeClock } from '../../../../../core/testing/fake-clock.ts';
import { parseLadder } from '../ladder.ts';
import { LadderSource } from '../ladder-source.ts';
import { SimulatedLine, type LineOptions } from './simulated-line.ts';
import { SIMULATED_TRACKS, SIMULATED_URL, SimulatedOrigin, type SimulatedTrack } from './simulated-origin.ts';
import { SimulatedPlayer } from './simulated-player.ts';

export type Simulation = {
	clock: FakeClock;
	line: SimulatedLine;
	origin: SimulatedOrigin;
	source: LadderSource;
	player: SimulatedPlayer;
};

/** Begins to play `startMs` after the channel has begun. Times of `bpsAt` count from then. */
export async function simulate(
	options: LineOptions & {
		knownBps?: number;
		startMs?: number;
		tracks?: readonly SimulatedTrack[];
		/** The player does not play. */
		isIdle?: boolean;
	},
): Promise<Simulation> {
	const clock = new FakeClock();
	const startMs = options.startMs ?? 30_000;
	await clock.advance(startMs);
	const line = new SimulatedLine(clock, { ...options, bpsAt: (ms) => options.bpsAt(ms - startMs) });
	const origin = new SimulatedOrigin({ clock, line }, options.tracks ?? SIMULATED_TRACKS);
	const ladder = parseLadder(origin.multivariant(), SIMULATED_URL)!;
	const player = new SimulatedPlayer(clock);
	const source = new LadderSource(
		{ clock, logger: silentLogger, request: origin.request, bufferedAheadSeconds: player.bufferedAheadSeconds },
		ladder,
		{ url: SIMULATED_URL, knownBps: options.knownBps },
	);
	if (options.isIdle !== true) {
		player.start(source);
	}
	return { clock, line, origin, source, player };
}
