/** Which Enter sends a message, and which one belongs to an input method. */
import { expect, it } from 'vitest';
import { isComposingKey } from './input-method.ts';

it.each([
	['a plain Enter', { isComposing: false, keyCode: 13 }, false],
	['Enter while composing, as Chromium and Firefox report it', { isComposing: true, keyCode: 229 }, true],
	['Enter that ends a composition, as Safari reports it', { isComposing: false, keyCode: 229 }, true],
	['Enter while composing in a browser without the key code', { isComposing: true, keyCode: 13 }, true],
])('handles %s', (_name, event, expected) => {
	expect(isComposingKey(event)).toBe(expected);
});
