/**
 * Ten minutes of each kind of source through a ladder of three rungs, as fast as the machine can: pictures and key
 * frames that differ from the rule. There must be none. `-t TEXT` runs the kinds whose name has it.
 */
import { afterAll, expect, it } from 'vitest';
import { ALIGNMENT_CASES, type AlignmentResult, describeCase, runAlignment } from './testing/ladder-alignment.ts';

const DURATION_SECONDS = 600;
const TIMEOUT_MS = 15 * 60_000;
const rows: string[] = [];

it.for(ALIGNMENT_CASES.map((kind) => [describeCase(kind), kind] as const))(
	'%s',
	{ timeout: TIMEOUT_MS },
	async ([name, kind]) => {
		const result = await runAlignment(kind, DURATION_SECONDS);
		rows.push(row(name, result));
		expect([result.differingKeyFrames, result.differingPictures]).toEqual([0, 0]);
	},
);

afterAll(() => {
	console.log(
		[
			'| source, 10 min | its key frames | key frames of all rungs | differing | pictures of all rungs | differing |',
			'| --- | --- | --- | --- | --- | --- |',
			...rows.toSorted(),
		].join('\n'),
	);
});

function row(name: string, result: AlignmentResult): string {
	const { sourceKeyFrames, expectedKeyFrames, differingKeyFrames, expectedPictures, differingPictures } = result;
	const cells = [sourceKeyFrames, expectedKeyFrames, differingKeyFrames, expectedPictures, differingPictures];
	return `| ${[name, ...cells].join(' | ')} |`;
}
