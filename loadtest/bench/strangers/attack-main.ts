/**
 * One attack in a process of its own: told by its only argument, begins when it is told to, ends by itself and with its
 * parent.
 */
import { setPriority } from 'node:os';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { AttackConfig, AttackCounts, AttackMessage } from './attack.ts';
import { ATTACKS } from './attack-list.ts';

/** Strangers have machines of their own: here they get what server and viewers leave of this one. */
const NICENESS = 10;

const config = JSON.parse(process.argv[2]!) as AttackConfig;
const counts: AttackCounts = {};

function tell(message: AttackMessage): Promise<void> {
	return new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()));
}

process.on('disconnect', () => process.exit(1));
const begun = new Promise((resolve) => process.once('message', resolve));
await tell({ type: 'ready' });
await begun;
setPriority(NICENESS);
const attack = ATTACKS[config.name]!({ config, count: (name) => (counts[name] = (counts[name] ?? 0) + 1) });
await Promise.race([attack, sleep(systemClock, config.durationMs)]);
await tell({ type: 'counts', counts });
process.exit(0);
