/** Texts for the browser's refusals. */
import { expect, it } from 'vitest';
import { formatCaptureProblem } from './capture-problem.ts';

const named = (name: string) => Object.assign(new Error('x'), { name });

it.each(['NotAllowedError', 'NotFoundError', 'NotReadableError', 'OverconstrainedError', 'InsecureContextError'])(
	'gives advice on %s',
	(name) => {
		const words = formatCaptureProblem(named(name), 'camera');
		expect(words).not.toContain(name);
		expect(words).toMatch(/Allow|Plug|Close|Choose|Open/);
	},
);

it('names the screen when the screen was requested', () => {
	expect(formatCaptureProblem(named('NotAllowedError'), 'screen')).toMatch(/choose a window/);
	expect(formatCaptureProblem(named('NotReadableError'), 'screen')).toContain('screen');
});

it('includes the message of an unknown error', () => {
	expect(formatCaptureProblem(new Error('odd'), 'camera')).toContain('odd');
	expect(formatCaptureProblem('odd', 'camera')).toMatch(/could not be opened/);
});
