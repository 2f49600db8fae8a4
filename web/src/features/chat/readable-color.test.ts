/** Colours of names, readable in both themes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { colorContrast, readableColor } from './readable-color.ts';

it('measures contrast as WCAG does', () => {
	expect(colorContrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
	expect(colorContrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
});

it('keeps a readable colour', () => {
	expect(readableColor('#5fe3d0', '#0e242b')).toBe('#5fe3d0');
});

it.each(['#ffffff', '#dde5e3', '#0e242b', '#0a1c22'])('makes any colour readable on %s', (ground) => {
	const color = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);
	fc.assert(
		fc.property(color, (text) => {
			expect(colorContrast(readableColor(text, ground), ground)).toBeGreaterThanOrEqual(4.5);
		}),
	);
});

it('replaces an invalid colour', () => {
	expect(readableColor('red;background:url(x)', '#ffffff')).toMatch(/^#[0-9a-f]{6}$/);
});
