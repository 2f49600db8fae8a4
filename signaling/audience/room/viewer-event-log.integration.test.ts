/** The event log in both databases: what a viewer goes through is there afterwards, and a deleted channel harms nobody. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { createId, type ChannelId, type ViewerId } from '../../../core/ids.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import type { Database } from '../../platform/database/database.ts';
import { migrateDatabase, readMigrations } from '../../platform/database/migrate.ts';
import { PgDatabase } from '../../platform/database/pg-database.ts';
import { openPgliteDatabase } from '../../platform/database/pglite-database.ts';
import { startPostgres, type RealServer } from '../../testing/real-servers.ts';
import { ViewerEventLog } from './viewer-event-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'spillway-events-'));
const logger = new RecordingLogger();
let postgres: RealServer;

beforeAll(async () => {
	postgres = await startPostgres();
});

afterAll(async () => {
	await postgres.stop();
	rmSync(folder, { recursive: true, force: true });
});

const KINDS = [
	{
		kind: 'embedded',
		open: () => openPgliteDatabase({ folder: join(folder, 'database'), clock: systemClock, logger }),
	},
	{ kind: 'PostgreSQL', open: async () => new PgDatabase({ url: postgres.url, clock: systemClock, logger }) },
];

describe.each(KINDS)('the event log ($kind)', ({ open }) => {
	it('writes events with their payload, and skips those of channels that are gone', async () => {
		await using database: Database = await open();
		await migrateDatabase(database, await readMigrations(), { clock: systemClock, logger });
		const nowMs = systemClock.nowMs();
		const [channelId, gone] = [createId<ChannelId>(nowMs), createId<ChannelId>(nowMs)];
		const viewerId = createId<ViewerId>(nowMs);
		await database.query("INSERT INTO channels (id, name, created_at) VALUES ($1, 'demo', $2)", [
			channelId,
			new Date(),
		]);
		const log = new ViewerEventLog({ database, clock: systemClock, logger });
		log.write({ viewerId, channelId, kind: 'join', payload: { role: 'viewer', canWebRtc: true } });
		log.write({ viewerId, channelId: gone, kind: 'join', payload: {} });
		log.write({ viewerId, channelId, kind: 'latency', payload: { tier: 'webrtc', latencyMs: 151.5 } });
		await log.close();
		const rows = await database.query('SELECT viewer_id, channel_id, kind, payload FROM viewer_events ORDER BY kind');
		expect(rows).toEqual([
			{ viewer_id: viewerId, channel_id: channelId, kind: 'join', payload: { role: 'viewer', canWebRtc: true } },
			{ viewer_id: viewerId, channel_id: channelId, kind: 'latency', payload: { tier: 'webrtc', latencyMs: 151.5 } },
		]);
		expect(log.droppedCount).toBe(0);
	});
});
