/** What an encoding reports at each event in each of its states. */
import { expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { Encoding } from './encoding.ts';
import { CLEAN_EXIT, encodedOpus, FakeProcess, OPUS } from './testing/fake-process.ts';

type Started = { encoding: Encoding; process: FakeProcess; clock: FakeClock; reports: string[] };
type State = 'running' | 'finishing' | 'ended';

const EVENTS = {
	'the input ends': async ({ encoding }) => void encoding.finish(1000),
	'it is stopped': async ({ encoding }) => void encoding.stop(),
	'a frame comes out': async ({ process }) => process.output(encodedOpus(0)),
	'the pipe has room': async ({ process }) => process.makeRoom(),
	'garbage comes out': async ({ process }) => process.output(new Uint8Array(100)),
	'the process ends': async ({ process }) => process.exit(CLEAN_EXIT),
	'the process crashes': async ({ process }) => process.exit(),
	'nothing comes out for 5 s': async ({ encoding, clock }) => {
		for (let count = 0; count <= 11; count++) {
			encoding.recordInput();
			await clock.advance(500);
		}
	},
} satisfies Record<string, (started: Started) => Promise<void>>;
type EventName = keyof typeof EVENTS;

function start(state: State): Started {
	const [clock, process, reports] = [new FakeClock(), new FakeProcess(), [] as string[]];
	process.endsInTime = false;
	const listener = {
		onStream: () => undefined,
		onFrame: () => reports.push('frame'),
		onWritable: () => reports.push('writable'),
		onEnded: (error: Error | undefined) => reports.push(error?.message ?? 'ended'),
	};
	const encoding = new Encoding({ process, clock, listener }, { input: OPUS, outputCount: 1, hangTimeoutMs: 5000 });
	process.output(nutStreamHeader(OPUS));
	if (state !== 'running') {
		void encoding.finish(1000);
	}
	if (state === 'ended') {
		process.exit(CLEAN_EXIT);
	}
	reports.length = 0;
	return { encoding, process, clock, reports };
}

/** By what it reports of a clean exit. */
function stateOf({ process, reports }: Started): State {
	reports.length = 0;
	process.exit(CLEAN_EXIT);
	if (reports.length === 0) {
		return 'ended';
	}
	return reports[0] === 'ended' ? 'finishing' : 'running';
}

it.each<[State, EventName, RegExp | undefined, State]>([
	['running', 'the input ends', undefined, 'finishing'],
	['running', 'it is stopped', undefined, 'ended'],
	['running', 'a frame comes out', /^frame$/, 'running'],
	['running', 'the pipe has room', /^writable$/, 'running'],
	['running', 'garbage comes out', /its output cannot be read/, 'ended'],
	['running', 'the process ends', /it ended by itself/, 'ended'],
	['running', 'the process crashes', /signal SIGKILL\): last words/, 'ended'],
	['running', 'nothing comes out for 5 s', /it hangs/, 'ended'],
	['finishing', 'the input ends', undefined, 'finishing'],
	['finishing', 'it is stopped', undefined, 'ended'],
	['finishing', 'a frame comes out', /^frame$/, 'finishing'],
	['finishing', 'the pipe has room', /^writable$/, 'finishing'],
	['finishing', 'garbage comes out', /its output cannot be read/, 'ended'],
	['finishing', 'the process ends', /^ended$/, 'ended'],
	['finishing', 'the process crashes', /signal SIGKILL\): last words/, 'ended'],
	['finishing', 'nothing comes out for 5 s', /it hangs/, 'ended'],
	...(Object.keys(EVENTS) as EventName[]).map(
		(event) => ['ended', event, undefined, 'ended'] as [State, EventName, undefined, State],
	),
])('an encoding that is %s, when %s, reports %s and is %s', async (state, event, report, next) => {
	const started = start(state);
	await EVENTS[event](started);
	expect(started.reports).toEqual(report === undefined ? [] : [expect.stringMatching(report)]);
	expect(stateOf(started)).toBe(next);
});

it.each([
	['all are silent', [], /nothing came out for 5000 ms/],
	['one is silent', [0], /nothing came out of output 1 for 5000 ms/],
	['none is silent', [0, 1], undefined],
])('with two outputs, when %s while input flows, reports %j', async (_, speaking, report) => {
	const [clock, process, reports] = [new FakeClock(), new FakeProcess(), [] as string[]];
	const listener = {
		onStream: () => undefined,
		onFrame: () => undefined,
		onWritable: () => undefined,
		onEnded: (error: Error | undefined) => reports.push(error?.message ?? 'ended'),
	};
	const encoding = new Encoding({ process, clock, listener }, { input: OPUS, outputCount: 2, hangTimeoutMs: 5000 });
	speaking.forEach((index) => process.outputOf(index, nutStreamHeader(OPUS)));
	for (let count = 0; count <= 11; count++) {
		encoding.recordInput();
		speaking.forEach((index) => process.outputOf(index, encodedOpus(count)));
		await clock.advance(500);
	}
	expect(reports).toEqual(report === undefined ? [] : [expect.stringMatching(report)]);
	await encoding.stop();
});
