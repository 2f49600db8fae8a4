/** One attack in its own process. The only argument is its AttackConfig; it begins with the parent's first message. */
import { setPriority } from 'node:os';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { AttackConfig, AttackCounts, AttackMessage } from './attack.ts';
import { ATTACKS } from './attack-list.ts';

/** Real attackers have their own machines: here they get only the CPU time that server and viewers leave. */
const NICENESS = 10;

const config = JSON.parse(process.argv[2]!) as AttackConfig;
const counts: AttackCounts = {};

function send(message: AttackMessage): Promise<void> {
	return new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()));
}

process.on('disconnect', () => process.exit(1));
const begun = new Promise((resolve) => process.once('message', resolve));
await send({ type: 'ready' });
await begun;
setPriority(NICENESS);
const attack = ATTACKS[config.name]!({ config, count: (name) => (counts[name] = (counts[name] ?? 0) + 1) });
await Promise.race([attack, sleep(systemClock, config.durationMs)]);
await send({ type: 'counts', counts });
process.exit(0);
