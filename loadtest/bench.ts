/**
 * The measuring bench: `npm run bench -- <command> [options]`; without a command it lists them. Starts a server, or
 * measures one that runs already (`--server`, `--rtmp`, `--key`). Writes JSON and prints a table; ends everything it
 * has started.
 */
import { writeFile } from 'node:fs/promises';
import { systemClock } from '../core/lifecycle/clock.ts';
import { DELIVERY_TIERS } from '../core/protocol/tiers.ts';
import { type BenchCommand, readBenchOptions } from './bench/bench-options.ts';
import { cache, CACHE_KINDS } from './bench/cache.ts';
import { churn } from './bench/churn.ts';
import { clips } from './bench/clips.ts';
import { direct } from './bench/direct.ts';
import { emergencies } from './bench/emergencies.ts';
import { handOvers } from './bench/hand-overs.ts';
import { joins } from './bench/joins.ts';
import { lineSteps } from './bench/line-steps.ts';
import { loadTester } from './bench/load-tester.ts';
import { onAir } from './bench/on-air.ts';
import { paths } from './bench/paths.ts';
import { players } from './bench/players.ts';
import { poorLine, POOR_LINE_KINDS } from './bench/poor-line.ts';
import { reconnect } from './bench/reconnect.ts';
import { recorderKills } from './bench/recorder-kills.ts';
import { recordings } from './bench/recordings.ts';
import { rewind } from './bench/rewind.ts';
import { rungChanges } from './bench/rung-changes.ts';
import { strangers } from './bench/strangers.ts';
import { ATTACKS } from './bench/strangers/attack-list.ts';
import { PUBLISHER_KINDS } from './clients/create-publisher.ts';

const COMMANDS: Readonly<Record<string, BenchCommand>> = {
	paths,
	joins,
	reconnect,
	players,
	'hand-overs': handOvers,
	emergencies,
	'poor-line': poorLine,
	'line-steps': lineSteps,
	'rung-changes': rungChanges,
	churn,
	cache,
	'on-air': onAir,
	recordings,
	'recorder-kills': recorderKills,
	rewind,
	clips,
	strangers,
	'load-tester': loadTester,
	direct,
};

const USAGE = `npm run bench -- <command> [options]

${Object.entries(COMMANDS)
	.map(([name, { summary }]) => `  ${name.padEnd(14)} ${summary}\n`)
	.join('')}
  --publishers a,b   of: ${Object.keys(PUBLISHER_KINDS).join(', ')}
  --tiers a,b        of: ${DELIVERY_TIERS.join(', ')}
  --runs n  --seconds n (30; 66 on air before the first clip)  --settle n
  --reference-seconds n (of the direct connection; default: as --seconds)
  --key-frames n (seconds between those of the direct connection; default: none but the first)
  --joins n  --crowd n (over WebRTC at once, within --ramp 1 s; --runs n)  --away n  --rounds n (of each emergency)
  --lines Mbit/s,…  --losses %,…  --loss-burst n  --reorder %  --round-trip ms  --congestion cubic|bbr
  --kinds a,b (of the poor line: ${Object.keys(POOR_LINE_KINDS).join(', ')})  --svg path (of the line's steps)
  --attacks a,b   of: ${Object.keys(ATTACKS).join(', ')}
  --through a,b   of: ${CACHE_KINDS.join(', ')} (before the --viewers n, at least 20)
  --hand-overs n (each way, of each of --viewers n)  --film-strips path (begin of the files' names)
  --ladder automatic|off|480p30,…   rungs of the server that is started (default: off)
  --size 1280x720  --bitrate 2500000  --gop 2  --sample-rate 48000
  --page bench|product      a plain player of our own, or the product's page
  --video-selector css      product page: its video elements
  --click-webrtc css  --click-ll-hls css  --query-webrtc ?…  --query-ll-hls ?…   product page: how a tier is chosen
  --server http://…  --rtmp rtmp://…/live  --key …  --channel demo   measure a running server
  --out file.json  --markdown file.md
`;

async function main(): Promise<number> {
	const options = readBenchOptions();
	const name = options.command ?? '';
	if (!Object.hasOwn(COMMANDS, name)) {
		console.error(USAGE);
		return 2;
	}
	const { result, markdown } = await COMMANDS[name]!.run(options);
	if (options.out !== undefined) {
		const measuredAt = new Date(systemClock.nowMs()).toISOString();
		await writeFile(options.out, `${JSON.stringify({ command: name, measuredAt, ...result }, undefined, '\t')}\n`);
	}
	if (options.markdown !== undefined) {
		await writeFile(options.markdown, markdown);
	}
	console.log(markdown);
	return 0;
}

// playwright-core handles SIGTERM itself and keeps the process running. What we started ends with the process.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
	process.on(name, () => process.exit(1));
}
// Keeps the process alive until main() is done, which timers of core/lifecycle/clock.ts do not.
const keepAlive = setInterval(() => undefined, 60_000);
try {
	process.exitCode = await main();
} catch (error) {
	console.error(`The bench failed: ${(error as Error).message}`);
	process.exitCode = 1;
}
clearInterval(keepAlive);
