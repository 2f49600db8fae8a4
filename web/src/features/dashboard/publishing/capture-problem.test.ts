/** Refusals of the browser in words. */
import { expect, it } from 'vitest';
import { sayCaptureProblem } from './capture-problem.ts';

const named = (name: string) => Object.assign(new Error('x'), { name });

it.each(['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OverconstrainedError', 'InsecureContextError'])(
	'says what to do about %s',
	(name) => {
		const words = sayCaptureProblem(named(name), 'camera');
		expect(words).not.toContain(name);
		expect(words).toMatch(/Allow|Plug|Close|Choose|Open/);
	},
);

it('speaks of the screen when the screen was asked for', () => {
	expect(sayCaptureProblem(named('NotAllowedError'), 'screen')).toMatch(/choose a window/);
	expect(sayCaptureProblem(named('NotReadableError'), 'screen')).toContain('screen');
});

it('passes on what it does not know', () => {
	expect(sayCaptureProblem(new Error('odd'), 'camera')).toContain('odd');
	expect(sayCaptureProblem('odd', 'camera')).toMatch(/could not be opened/);
});
