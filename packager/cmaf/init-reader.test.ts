/** The reader of init segments gives back what the writer was given; any other bytes are harmless. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged } from '../../core/testing/untrusted-bytes.ts';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { readInit, readVideoConfig } from './init-reader.ts';
import { writeInitSegment } from './init-segment.ts';

describe('readInit', () => {
	it.each([
		['a picture', SIMULATED_VIDEO, 0],
		['a picture with B-frames', SIMULATED_VIDEO, 6000],
		['sound', simulatedAudio(48_000), 0],
		['sound of one channel', simulatedAudio(44_100, 1), 0],
	])('reads what the init segment was made of: %s', (_what, config, presentationDelayTicks) => {
		expect(readInit(writeInitSegment(config, presentationDelayTicks))).toEqual({ config, presentationDelayTicks });
	});

	it('finds no picture in sound', () => {
		expect(readVideoConfig(writeInitSegment(SIMULATED_VIDEO))).toEqual(SIMULATED_VIDEO);
		expect(readVideoConfig(writeInitSegment(simulatedAudio(48_000)))).toBeUndefined();
	});

	it('never throws, whatever the bytes', () => {
		const inits = [writeInitSegment(SIMULATED_VIDEO, 6000), writeInitSegment(simulatedAudio(48_000))];
		fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void readInit(bytes)));
		fc.assert(
			fc.property(damaged(...inits), fc.nat(800), (bytes, length) => void readInit(bytes.subarray(0, length))),
			{ numRuns: 2000 },
		);
	});
});
