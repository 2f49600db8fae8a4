/** A signaling server process that tests start and kill. Arguments: Redis address, key prefix. Prints its address. */
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { RedisBus } from '../../platform/bus/redis-bus.ts';
import { startSignalingServer } from './signaling-server.ts';

const [url, keyPrefix] = process.argv.slice(2);
const deps = { clock: systemClock, logger: silentLogger };
const bus = new RedisBus(deps, { url: url!, keyPrefix: keyPrefix! });
await bus.start();
const server = await startSignalingServer({ ...deps, bus });
process.stdout.write(`${server.url}\n`);
