/**
 * What recording costs: one broadcast of 6 Mbit/s in real time, packaged alone and packaged and recorded, in turn. The
 * recording goes to a folder and, once a second, to the embedded database, whose thread counts too.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { createId, type BroadcastId, type ChannelId, type ChannelName } from '../../core/ids.ts';
import { silentLogger } from '../../core/logger.ts';
import { defaultPackagerConfig } from '../../packager/config/packager-config.ts';
import { BroadcastPackager } from '../../packager/live/broadcast-packager.ts';
import { Journal } from '../../packager/recording/journal.ts';
import { JournalFile } from '../../packager/recording/journal-file.ts';
import { Recorder } from '../../packager/recording/recorder.ts';
import { simulateRun } from '../../packager/testing/simulated-source.ts';
import { playInRealTime } from '../../packager/testing/test-origin.ts';
import { VIDEO_AND_AUDIO } from '../../packager/testing/watched-broadcast.ts';
import { ChannelStore } from '../channels/channel-store.ts';
import type { Database } from '../platform/database/database.ts';
import { openDiskStore } from '../platform/objects/disk-store.ts';
import { openTestDatabase } from '../testing/both-databases.ts';
import { VideoStore } from './video-store.ts';

const SECONDS = 20;
const ROUNDS = 3;
const BITS_PER_SECOND = 6_000_000;
const FRAME_RATE = 60;

const deps = { clock: systemClock, logger: silentLogger };
const nothing = async (): Promise<void> => undefined;
const cores: Record<'alone' | 'recorded', number[]> = { alone: [], recorded: [] };

const units = simulateRun({
	startSeconds: 1000,
	durationSeconds: SECONDS,
	captureTimeMs: 0,
	video: { frameRate: FRAME_RATE, gopFrames: 2 * FRAME_RATE },
	audio: { sampleRate: 48_000 },
}).map((unit) => (unit.kind === 'video' ? { ...unit, bytes: enlarge(unit.bytes) } : unit));

function enlarge(bytes: Uint8Array): Uint8Array {
	const large = new Uint8Array(BITS_PER_SECOND / 8 / FRAME_RATE);
	large.set(bytes.subarray(0, large.length));
	new DataView(large.buffer).setUint32(0, large.length - 4);
	return large;
}

/** Cores of this process while `beside` does its part. */
async function measure(beside: (broadcast: BroadcastPackager) => Promise<() => Promise<void>>): Promise<number> {
	const broadcast = new BroadcastPackager(
		{ ...deps, config: defaultPackagerConfig() },
		{ broadcastId: createId<BroadcastId>(systemClock.nowMs()), channelName: 'demo' as ChannelName },
	);
	const end = await beside(broadcast);
	broadcast.beginRun(0, VIDEO_AND_AUDIO);
	const before = process.cpuUsage();
	await playInRealTime(broadcast, units, 1000);
	broadcast.end();
	await end();
	const { user, system } = process.cpuUsage(before);
	await broadcast.close('packager-closed');
	return (user + system) / 1e6 / SECONDS;
}

async function record(database: Database, folder: string, broadcast: BroadcastPackager): Promise<() => Promise<void>> {
	const videos = new VideoStore({
		database,
		clock: systemClock,
		deleteMedia: nothing,
		makePictures: nothing,
		clips: () => ({ deleteAll: nothing }),
	});
	const [channel] = await database.query<{ id: ChannelId }>('SELECT id FROM channels');
	const id = createId<string>(systemClock.nowMs());
	const { broadcastId } = broadcast;
	await videos.create({
		id,
		channelId: channel!.id,
		broadcastId,
		title: '',
		category: undefined,
		startedAt: new Date(),
	});
	const store = await openDiskStore(deps, { folder: join(folder, 'objects') });
	const file = await JournalFile.open(join(folder, `${id}.journal`));
	const journal = new Journal({ ...deps, file, sink: { append: (entries) => videos.append(id, 1, entries) } });
	const recorder = new Recorder(
		{ ...deps, broadcast, store, journal, refusal: () => undefined },
		{ videoId: id, archiveSeconds: 7200 },
	);
	return async () => {
		await recorder.finish(10_000);
		await journal.close();
		await videos.finish(id, 14);
		expect(recorder.missingSeconds).toBe(0);
		await store.close();
		await file.remove();
	};
}

describe('a recording of 6 Mbit/s', () => {
	it('costs this', { timeout: 10 * 60_000 }, async () => {
		const { database, close } = await openTestDatabase('embedded');
		const folder = await mkdtemp(join(tmpdir(), 'spillway-recording-cost-'));
		try {
			await new ChannelStore({ database, clock: systemClock }).createChannel({ name: 'demo' });
			// Not counted: the first one compiles.
			await measure((broadcast) => record(database, folder, broadcast));
			for (let round = 0; round < ROUNDS; round++) {
				cores.alone.push(await measure(async () => async () => undefined));
				cores.recorded.push(await measure((broadcast) => record(database, folder, broadcast)));
			}
		} finally {
			await close();
			await rm(folder, { recursive: true });
		}
		expect(cores.recorded).toHaveLength(ROUNDS);
	});
});

afterAll(() => {
	const list = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(', ');
	console.log(`cores, packaged alone: ${list(cores.alone)}\ncores, packaged and recorded: ${list(cores.recorded)}`);
});
