/** How much may be recorded, and the owner's notices: at each bound, and before it. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { RecordingLimits, type RecordingLimitsConfig } from './recording-limits.ts';

const GB = 1e9;
const OWNER = 'owner';
let limits: RecordingLimits;

type Situation = {
	disk?: { totalBytes: number; freeBytes: number };
	usage?: { totalBytes: number; ownerBytes: number };
	runningBytes?: number;
	config?: Partial<RecordingLimitsConfig>;
};

async function prepare({ disk, usage, runningBytes = 0, config }: Situation): Promise<void> {
	limits = new RecordingLimits(
		{
			videos: { usage: async () => usage ?? { totalBytes: 0, ownerBytes: 0 } },
			folder: '/',
			runningBytes: () => runningBytes,
			clock: new FakeClock(),
			logger: new RecordingLogger(),
			readDisk: async () => disk ?? { totalBytes: 1000 * GB, freeBytes: 500 * GB },
		},
		{ maxBytes: 0, maxBytesPerOwner: 100 * GB, reservedBytes: 2 * GB, ...config },
	);
	await limits.prepare(OWNER);
}

describe('RecordingLimits', () => {
	it.each<[string, Situation, string | undefined, number]>([
		['plenty', {}, undefined, 0],
		[
			'a disk at its reserve of 5 %',
			{ disk: { totalBytes: 1000 * GB, freeBytes: 49 * GB } },
			"the server's disk has only 49 GB left, which are kept for its database",
			0,
		],
		[
			'a small disk at its reserve of 2 GB',
			{ disk: { totalBytes: 20 * GB, freeBytes: 1.9 * GB } },
			"the server's disk has only 1.9 GB left, which are kept for its database",
			0,
		],
		['a disk that is 90 % full', { disk: { totalBytes: 1000 * GB, freeBytes: 140 * GB } }, undefined, 1],
		[
			'an owner at their bound',
			{ usage: { totalBytes: 200 * GB, ownerBytes: 100 * GB } },
			'your recordings have reached 100 GB; delete some of them',
			0,
		],
		['an owner near their bound', { usage: { totalBytes: 200 * GB, ownerBytes: 90 * GB } }, undefined, 1],
		[
			'what is recorded now, counted too',
			{ usage: { totalBytes: 200 * GB, ownerBytes: 60 * GB }, runningBytes: 40 * GB },
			'your recordings have reached 100 GB; delete some of them',
			0,
		],
		[
			'a server at its bound',
			{ usage: { totalBytes: 5 * GB, ownerBytes: 0 }, config: { maxBytes: 5 * GB } },
			'the recordings on this server have reached 5.0 GB',
			0,
		],
		[
			'a server near its bound',
			{ usage: { totalBytes: 4.6 * GB, ownerBytes: 0 }, config: { maxBytes: 5 * GB } },
			undefined,
			1,
		],
	])('with %s', async (_what, situation, refusal, noticeCount) => {
		await prepare(situation);
		expect(limits.refusal(OWNER)).toBe(refusal);
		expect(limits.notices(OWNER)).toHaveLength(noticeCount);
	});

	it('does not refuse a channel without an owner for an owner’s bound', async () => {
		await prepare({ usage: { totalBytes: 200 * GB, ownerBytes: 200 * GB } });
		expect(limits.refusal(undefined)).toBeUndefined();
	});
});
