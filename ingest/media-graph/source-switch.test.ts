/** Tests of the stage's source: every pair of state and event, and the hand-over from source to encoder. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import { describeTransitions } from '../testing/describe-transitions.ts';
import { unitAt } from '../testing/track-configs.ts';
import { SOURCE_SWITCH_TRANSITIONS, SourceSwitch } from './source-switch.ts';

describeTransitions('SOURCE_SWITCH_TRANSITIONS', SOURCE_SWITCH_TRANSITIONS, {
	events: ['source-shown', 'encoder-in-step', 'encoder-behind', 'encoder-ahead', 'restarted'],
	expected: {
		none: 'source none none encoder none',
		source: 'source handing-over source encoder none',
		'handing-over': 'handing-over handing-over source encoder none',
		encoder: '- - - - none',
	},
});

/** A picture at this position, in milliseconds. */
const picture = (ms: number, isKeyFrame = false): AccessUnit => unitAt('video0', ms * 90, isKeyFrame);

/** One whose source has been shown up to this position. */
function showingSource(untilMs: number): SourceSwitch {
	const sourceSwitch = new SourceSwitch(silentLogger);
	sourceSwitch.showSource(picture(0, true));
	sourceSwitch.showSource(picture(untilMs));
	return sourceSwitch;
}

describe('SourceSwitch', () => {
	it('begins with the first key frame, of either source', () => {
		const sourceSwitch = new SourceSwitch(silentLogger);
		expect([sourceSwitch.showSource(picture(0)), sourceSwitch.showEncoded(picture(0))]).toEqual([false, 'no']);
		expect([sourceSwitch.isShowingSource, sourceSwitch.isOpenToSource(0)]).toEqual([false, true]);
		expect(sourceSwitch.showEncoded(picture(40, true))).toBe('first');
		expect(sourceSwitch.showEncoded(picture(80))).toBe('next');
		expect(sourceSwitch.isOpenToSource(120 * 90)).toBe(false);
	});

	it('shows the source just up to the second key frame of an encoder that keeps up, and then the encoder', () => {
		const sourceSwitch = showingSource(1400);
		expect(sourceSwitch.showEncoded(picture(1000, true))).toBe('no');
		expect([1960, 1997, 1999].map((ms) => sourceSwitch.isOpenToSource(ms * 90))).toEqual([true, true, false]);
		sourceSwitch.showSource(picture(1960));
		expect(sourceSwitch.showEncoded(picture(1960))).toBe('no');
		expect(sourceSwitch.showEncoded(picture(2000, true))).toBe('first');
	});

	it('keeps the source while the encoder is catching up, also when it falls behind again', () => {
		const sourceSwitch = showingSource(1500);
		sourceSwitch.showEncoded(picture(1000, true));
		expect(sourceSwitch.isOpenToSource(3000 * 90)).toBe(true);
		sourceSwitch.showEncoded(picture(1100, true));
		expect(sourceSwitch.isOpenToSource(3000 * 90)).toBe(false);
		sourceSwitch.showEncoded(picture(900, true));
		expect(sourceSwitch.isOpenToSource(3000 * 90)).toBe(true);
	});

	it('accepts any key frame for a new stage, and begins again after a restart', () => {
		const sourceSwitch = showingSource(1400);
		sourceSwitch.stageReplaced();
		expect(sourceSwitch.showEncoded(picture(1000, true))).toBe('first');
		sourceSwitch.restart();
		expect([sourceSwitch.isShowingSource, sourceSwitch.isOpenToSource(0)]).toEqual([false, true]);
	});
});
