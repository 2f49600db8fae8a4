/** Verdicts on frozen pictures: one table of lines, sources and machines, second by second. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineJudge, type LineCounts, type LineVerdict } from './line-judge.ts';

/** What arrives in one second of a connection, and what is shown. */
type Second = {
	framesShown: number;
	received: number;
	lost?: number;
	nacks?: number;
	framesReceived: number;
	framesDecoded?: number;
	resent?: number;
	roundTripMs?: number;
	isExpected?: boolean;
};

const PLAYS: Second = { framesShown: 30, received: 260, framesReceived: 30 };
/** A line of 60 % of what is sent, as measured: every frame lacks packets, which the browser requests all the time. */
const POOR: Second = { framesShown: 0, received: 130, lost: 90, nacks: 20, framesReceived: 1, framesDecoded: 0 };
const GONE: Second = { framesShown: 0, received: 0, framesReceived: 0 };
const QUEUED: Second = { ...GONE, received: 120, framesReceived: 5, roundTripMs: 2500 };
const SLIDE: Second = { framesShown: 1, received: 90, framesReceived: 1 };
const UNDECODED: Second = { ...PLAYS, framesShown: 0, framesDecoded: 2 };

function judge(seconds: readonly Second[], sourceFrameRate: number | undefined = 30): LineVerdict {
	const line = new LineJudge();
	const counts: LineCounts = {
		atMs: 0,
		packetsReceived: 0,
		packetsLost: 0,
		nackCount: 0,
		resentPackets: seconds.some(({ resent }) => resent !== undefined) ? 0 : undefined,
		framesReceived: 0,
		framesDecoded: 0,
		roundTripMs: 20,
	};
	line.setExpected(0, true);
	line.counted({ ...counts });
	let nowMs = 0;
	for (const second of seconds) {
		line.setExpected(nowMs, second.isExpected !== false);
		for (let frame = 0; frame < second.framesShown; frame++) {
			line.frameShown(nowMs + (frame * 1000) / second.framesShown);
		}
		nowMs += 1000;
		counts.atMs = nowMs;
		counts.packetsReceived += second.received;
		counts.packetsLost += second.lost ?? 0;
		counts.nackCount += second.nacks ?? 0;
		counts.framesReceived += second.framesReceived;
		counts.framesDecoded += second.framesDecoded ?? second.framesReceived;
		counts.resentPackets = counts.resentPackets === undefined ? undefined : counts.resentPackets + (second.resent ?? 0);
		counts.roundTripMs = second.roundTripMs ?? 20;
		line.counted({ ...counts });
	}
	return line.verdict(nowMs, sourceFrameRate);
}

const times = (count: number, second: Second): Second[] => Array.from({ length: count }, () => second);
const withResent = (resent: number, seconds: Second[]): Second[] => seconds.map((second) => ({ ...second, resent }));

describe('LineJudge', () => {
	it.each<[string, LineVerdict, Second[], number | undefined]>([
		['a good line', 'plays', times(8, PLAYS), 30],
		['8 % lost and sent again in time', 'plays', times(8, { ...PLAYS, lost: 23, nacks: 20 }), 30],
		['two bad seconds of Wi-Fi', 'plays', [...times(6, PLAYS), ...times(2, POOR)], 30],
		['a line that becomes too poor', 'line-too-poor', [...times(6, PLAYS), ...times(4, POOR)], 30],
		['a line that is too poor from the start', 'line-too-poor', times(4, POOR), 30],
		['too poor before the frame rate is known', 'line-too-poor', times(4, POOR), undefined],
		['a frame now and then', 'line-too-poor', times(8, { ...POOR, framesShown: 1 }), 30],
		['a line with a queue of seconds', 'line-too-poor', [...times(4, PLAYS), ...times(5, QUEUED)], 30],
		['a publisher who is gone', 'source-gone', [...times(6, PLAYS), ...times(5, GONE)], 30],
		['what was lost before the server', 'source-lossy', withResent(0, [...times(4, PLAYS), ...times(5, POOR)]), 30],
		['a shared screen of one frame in five seconds', 'plays', [SLIDE, ...times(8, GONE)], 0.2],
		['a slow source of unknown rate', 'source-slow', times(4, { ...GONE, received: 3 }), undefined],
		['one frame a second', 'plays', times(8, { framesShown: 1, received: 80, framesReceived: 1 }), 1],
		['a machine that cannot decode', 'machine-busy', [...times(4, PLAYS), ...times(5, UNDECODED)], 30],
		[
			'a machine that cannot decode, on a line that loses a little',
			'machine-busy',
			[...times(4, PLAYS), ...times(5, { ...UNDECODED, lost: 10, nacks: 8 })],
			30,
		],
		['a hidden page', 'unwatched', [...times(6, PLAYS), ...times(5, { ...POOR, isExpected: false })], 30],
		['a page that is visible again', 'unwatched', [...times(5, { ...GONE, isExpected: false }), POOR], 30],
	])('%s: %s', (_what, verdict, seconds, frameRate) => {
		expect(judge(seconds, frameRate)).toBe(verdict);
	});

	it('never blames a line that loses nothing, however slow the source is', () => {
		fc.assert(
			fc.property(
				fc.double({ min: 0.05, max: 120, noNaN: true }),
				fc.integer({ min: 4, max: 20 }),
				fc.boolean(),
				(frameRate, seconds, isKnown) => {
					let owed = 0;
					const stream = Array.from({ length: seconds }, () => {
						owed += frameRate;
						const frames = Math.floor(owed);
						owed -= frames;
						return { framesShown: frames, received: frames * 4, framesReceived: frames };
					});
					expect(judge(stream, isKnown ? frameRate : undefined)).not.toBe('line-too-poor');
				},
			),
			{ numRuns: 200 },
		);
	});

	it('starts over with a new connection', () => {
		const line = new LineJudge();
		line.setExpected(0, true);
		const counts = { packetsLost: 0, nackCount: 0, resentPackets: undefined, framesReceived: 0, framesDecoded: 0 };
		line.counted({ ...counts, atMs: 1000, packetsReceived: 5000, packetsLost: 400, roundTripMs: 20 });
		line.counted({ ...counts, atMs: 2000, packetsReceived: 10, roundTripMs: 20 });
		expect(line.verdict(6000, 30)).toBe('unwatched');
	});
});
