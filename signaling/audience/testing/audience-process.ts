/**
 * A whole signaling server for tests, started by Node itself and killed by them. Arguments: Redis address, key prefix.
 * Writes its address as one line.
 */
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { RedisBus } from '../../platform/bus/redis-bus.ts';
import { startSignalingServer } from './signaling-server.ts';

const [url, keyPrefix] = process.argv.slice(2);
const bus = new RedisBus({ url: url!, keyPrefix: keyPrefix!, clock: systemClock, logger: silentLogger });
await bus.start();
const server = await startSignalingServer({ clock: systemClock, logger: silentLogger, bus });
process.stdout.write(`${server.url}\n`);
