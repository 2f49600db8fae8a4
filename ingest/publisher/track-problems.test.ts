/** Tests that every reason has words, and that the code uses every row. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { PUBLISH_END_WORDS } from '../broadcast/publish-report.ts';
import { isConfigurationProblem, TRACK_PROBLEMS, trackProblem, type TrackProblemCode } from './track-problems.ts';

const CODES = Object.keys(TRACK_PROBLEMS) as TrackProblemCode[];
const INGEST = path.join(import.meta.dirname, '..');

/** Ingest's product code, without the table. */
function readSources(): string {
	return readdirSync(INGEST, { recursive: true, encoding: 'utf8' })
		.filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|testing\/|(^|\/)track-problems\.ts$/.test(file))
		.map((file) => readFileSync(path.join(INGEST, file), 'utf8'))
		.join('\n');
}

describe('TRACK_PROBLEMS', () => {
	it.each(CODES)('%s: a sentence on what is wrong, and one on what to do', (code) => {
		const { kind, message, advice } = trackProblem(code, 'DETAIL');
		for (const words of [message, advice!]) {
			expect(words).toMatch(/^[A-Z].{10,}\.$/);
			expect(words).not.toContain('%s');
		}
		expect(message.includes('DETAIL')).toBe(TRACK_PROBLEMS[code].message.includes('%s'));
		expect(code === 'metadata-unreadable' || code.startsWith(`${kind}-`)).toBe(true);
	});

	it('has no unused row', () => {
		const sources = readSources();
		const isGiven = (code: string): boolean =>
			sources.includes(`'${code}'`) || sources.includes(`\`\${kind}${code.replace(/^(audio|video)/, '')}\``);
		expect(CODES.filter((code) => !isGiven(code))).toEqual([]);
	});

	it('inserts a detail unchanged', () => {
		expect(trackProblem('video-codec-unsupported', '$& codec "%s$"').message).toContain('$& codec "%s$"');
	});

	it('knows which reasons leave a track without a configuration', () => {
		expect(isConfigurationProblem('video-codec-unsupported')).toBe(true);
		expect(isConfigurationProblem('video-damaged')).toBe(false);
		expect(isConfigurationProblem('toString')).toBe(false);
	});
});

describe('PUBLISH_END_WORDS', () => {
	it.each(Object.entries(PUBLISH_END_WORDS))('%s: whole sentences', (_code, { message, advice }) => {
		for (const words of [message, ...(advice === undefined ? [] : [advice])]) {
			expect(words).toMatch(/^[A-Z].{10,}\.$/);
		}
	});
});
