/**
 * The recorder, its store and its database in a process of its own, which is killed: `node recorder-program.ts <data
 * folder> <file for media>`. Ends what its predecessor left open, records a broadcast of real media, and reports each
 * whole segment to its parent. Stops by itself when the media ends.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../../core/lifecycle/typed-emitter.ts';
import { createId, type BroadcastId, type ChannelId, type ChannelName } from '../../../core/ids.ts';
import { silentLogger } from '../../../core/logger.ts';
import type { AccessUnit, TrackId } from '../../../core/media/access-unit.ts';
import type { TrackConfig } from '../../../core/media/codecs.ts';
import type { Broadcast } from '../../../ingest/broadcast/broadcast.ts';
import { defaultPackagerConfig } from '../../../packager/config/packager-config.ts';
import { BroadcastPackager } from '../../../packager/live/broadcast-packager.ts';
import { isGapSegment } from '../../../packager/rendition/segment.ts';
import { inDecodeOrder } from '../../../packager/testing/simulated-source.ts';
import { playInRealTime } from '../../../packager/testing/test-origin.ts';
import { makeTestAudio, makeTestVideo, moveUnits } from '../../../packager/transcode/testing/test-media.ts';
import { openPgliteDatabase } from '../../platform/database/pglite-database.ts';
import { openDataFolder } from '../../platform/folder/data-folder.ts';
import { openDiskStore } from '../../platform/objects/disk-store.ts';
import { Recordings } from '../recordings.ts';
import { VideoStore } from '../video-store.ts';

type Media = { tracks: ReadonlyMap<TrackId, TrackConfig>; units: AccessUnit[] };

/** More than any round lives. */
const MEDIA_SECONDS = 15;
const FRAME_RATE = 30;
/** Where the media begins on the broadcast's timeline. */
const START_SECONDS = 1000;
const POLL_MS = 20;
const CHANNEL = 'demo' as ChannelName;

/** Of one broadcast. */
class Registry extends TypedEmitter<{ broadcastStarted: [broadcast: Broadcast] }> {
	start(broadcast: Pick<Broadcast, 'id' | 'channelId' | 'startedAt'>): void {
		this.emit('broadcastStarted', broadcast as Broadcast);
	}
}

const [folder, mediaFile] = process.argv.slice(2) as [string, string];
const common = { clock: systemClock, logger: silentLogger };

function readMedia(): Media {
	if (!existsSync(mediaFile)) {
		const video = makeTestVideo({ durationSeconds: MEDIA_SECONDS, frameRate: FRAME_RATE, gopFrames: 2 * FRAME_RATE });
		const audio = makeTestAudio({ durationSeconds: MEDIA_SECONDS });
		const made: Media = {
			tracks: new Map<TrackId, TrackConfig>([
				['video0', video.config],
				['audio0', audio.config],
			]),
			units: inDecodeOrder([...video.units, ...audio.units]),
		};
		writeFileSync(mediaFile, serialize(made));
	}
	return deserialize(readFileSync(mediaFile)) as Media;
}

/** Reports when nothing that the predecessor left is open any more. */
async function reportEnds(): Promise<void> {
	const startedMs = systemClock.monotonicMs();
	for (;;) {
		const open = await database.query('SELECT id FROM videos WHERE ended_at IS NULL AND broadcast_id <> $1', [
			broadcastId,
		]);
		if (open.length === 0) {
			process.send!({ kind: 'ended', afterMs: systemClock.monotonicMs() - startedMs });
			return;
		}
		await sleep(systemClock, POLL_MS);
	}
}

const { tracks, units } = readMedia();
const dataFolder = await openDataFolder({ path: folder, ...common });
const database = await openPgliteDatabase(common, { folder: dataFolder.databaseFolder });
const store = await openDiskStore(common, { folder: join(dataFolder.mediaFolder, 'objects') });
const nothing = async (): Promise<void> => undefined;
const clips = (): never => {
	throw new TypeError('Nothing is deleted here.');
};
const videos = new VideoStore({
	...common,
	database,
	deleteMedia: nothing,
	purge: nothing,
	makePictures: nothing,
	clips,
});
const [channel] = await database.query<{ id: ChannelId }>('SELECT id FROM channels WHERE name = $1', [CHANNEL]);
const channelId = channel!.id;
await videos.chooseRecording(channelId, true);

const broadcastId = createId<BroadcastId>(systemClock.nowMs());
const broadcast = new BroadcastPackager(
	{ ...common, config: defaultPackagerConfig() },
	{ broadcastId, channelName: CHANNEL },
);
const registry = new Registry(silentLogger);
const recordings = new Recordings(
	{
		...common,
		videos,
		store,
		limits: { prepare: nothing, refusal: () => undefined },
		folder: join(dataFolder.mediaFolder, 'journals'),
		registry: registry as unknown as ConstructorParameters<typeof Recordings>[0]['registry'],
		packager: { broadcast: () => broadcast },
	},
	{ retentionDays: 14, maxSeconds: 3600, archiveSeconds: 7200 },
);
await recordings.start();
broadcast.on('segmentAdded', ({ trackId }, segment) => {
	if (!isGapSegment(segment)) {
		const { mediaSequence, timescale, parts } = segment;
		const durationSeconds = parts.reduce((sum, part) => sum + part.durationTicks, 0) / timescale;
		const videoId = recordings.running[0]?.videoId;
		process.send!({ kind: 'segment', videoId, trackId, mediaSequence, durationSeconds });
	}
});
registry.start({ id: broadcastId, channelId, startedAt: systemClock.nowMs() });
broadcast.beginRun(0, tracks);
process.send!({ kind: 'recording' });
void reportEnds();
const nowMs = systemClock.nowMs();
const moved = units.map((unit) => moveUnits([unit], START_SECONDS * unit.clockRate, nowMs)[0]!);
await playInRealTime(broadcast, moved, START_SECONDS);
process.exit();
