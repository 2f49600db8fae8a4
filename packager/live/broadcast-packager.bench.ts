/** How long the packager takes for 10 s of a source of 60 pictures a second, alone and with its ladder. */
import { describe, it } from 'vitest';
import type { BroadcastId, ChannelName } from '../../core/ids.ts';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { defaultPackagerConfig } from '../config/packager-config.ts';
import { inArrivalOrder, SIMULATED_LADDER, simulateRun, simulateRung } from '../testing/simulated-source.ts';
import { LADDER_TRACKS, VIDEO_AND_AUDIO } from '../testing/watched-broadcast.ts';
import { BroadcastPackager } from './broadcast-packager.ts';

const source = simulateRun({
	startSeconds: 1000,
	durationSeconds: 10,
	video: { frameRate: 60, gopFrames: 120, isMilliseconds: true },
	audio: { sampleRate: 48_000, isMilliseconds: true },
}).map((unit) => ({ ...unit, bytes: new Uint8Array(unit.kind === 'video' ? 12_500 : 340) }));
const rungs = [...SIMULATED_LADDER].flatMap(([trackId, rung]) => simulateRung(source, trackId, rung));
const ladder = inArrivalOrder([...source, ...rungs], ({ trackId }) => (SIMULATED_LADDER.has(trackId) ? 0.1 : 0));

function play(units: readonly AccessUnit[], hasRungs: boolean): void {
	const deps = { config: defaultPackagerConfig(), clock: new FakeClock(), logger: silentLogger };
	const ids = { broadcastId: '01bench' as BroadcastId, channelName: 'bench' as ChannelName };
	const broadcast = new BroadcastPackager(deps, ids);
	broadcast.beginRun(0, hasRungs ? LADDER_TRACKS : VIDEO_AND_AUDIO, hasRungs ? SIMULATED_LADDER : new Map());
	for (const unit of units) {
		broadcast.write(unit);
	}
	void broadcast.close('replaced');
}

describe('BroadcastPackager', () => {
	it('packages 10 s', async ({ bench }) => {
		await bench.compare(
			bench(`the source alone: ${source.length} units`, () => play(source, false)),
			bench(`with its ladder: ${ladder.length} units`, () => play(ladder, true)),
		);
	});
});
