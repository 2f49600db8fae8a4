/** How often a channel is requested, and what is reported. */
import { describe, expect, it } from 'vitest';
import type { ChannelDescription } from '../../../core/protocol/api/channel-description.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { ChannelWatch } from './channel-watch.ts';
import { ApiError } from './request.ts';

const CHANNEL = { name: 'demo', state: 'live' } as ChannelDescription;

function setUp() {
	const clock = new FakeClock();
	const answers: (ChannelDescription | Error)[] = [];
	const askedAtMs: number[] = [];
	const reports: string[] = [];
	const watch = new ChannelWatch({
		clock,
		fetchChannel: async () => {
			askedAtMs.push(clock.monotonicMs());
			const answer = answers.shift() ?? CHANNEL;
			if (answer instanceof Error) {
				throw answer;
			}
			return answer;
		},
	});
	watch.on('described', (channel) => reports.push(channel.state));
	watch.on('notFound', () => reports.push('not found'));
	watch.on('unreachable', (error) => reports.push(error.code));
	return { clock, answers, askedAtMs, reports, watch };
}

describe('ChannelWatch', () => {
	it('asks every 2.5 s, and every 10 s when not eager', async () => {
		const { clock, askedAtMs, watch } = setUp();
		watch.askNow();
		await clock.advance(5000);
		watch.setEager(false);
		await clock.advance(22_500);
		expect(askedAtMs).toEqual([0, 2500, 5000, 7500, 17_500, 27_500]);
	});

	it('asks at once when it turns eager, but not twice at a time', async () => {
		const { clock, askedAtMs, watch } = setUp();
		watch.askNow();
		watch.askNow();
		await clock.advance(0);
		watch.setEager(false);
		await clock.advance(3000);
		watch.setEager(true);
		watch.setEager(true);
		await clock.advance(100);
		expect(askedAtMs).toEqual([0, 2500, 3000]);
	});

	it('distinguishes an unknown channel from an unreachable server, and keeps asking', async () => {
		const { clock, answers, reports, watch } = setUp();
		answers.push(new ApiError('CHANNEL_NOT_FOUND', '', 404), new ApiError('UNREACHABLE', '', 0), new Error('odd'));
		watch.askNow();
		await clock.advance(7500);
		expect(reports).toEqual(['not found', 'UNREACHABLE', 'UNREACHABLE', 'live']);
	});

	it('reports nothing after stop(), and leaves no timer', async () => {
		const { clock, reports, watch } = setUp();
		watch.askNow();
		watch.stop();
		await clock.advance(60_000);
		expect(reports).toEqual([]);
		expect(clock.pendingCount).toBe(0);
	});
});
