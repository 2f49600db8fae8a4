/** Tests of the event log in both databases: events are stored, and those of a deleted channel are skipped. */
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { createId, type ChannelId, type ViewerId } from '../../../core/ids.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { DATABASE_KINDS, openTestDatabase } from '../../testing/both-databases.ts';
import { ViewerEventLog } from './viewer-event-log.ts';

const logger = new RecordingLogger();

describe.each(DATABASE_KINDS)('the event log ($kind)', ({ kind }) => {
	it('writes events with their payload, and skips those of channels that are gone', async () => {
		const { database, close } = await openTestDatabase(kind);
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
		await close();
	});
});
