/** Log-in returns only to this site. */
import { expect, it } from 'vitest';
import { safeReturnPath } from './return-path.ts';

it('keeps a path of this site', () => {
	expect(safeReturnPath('/demo?tier=webrtc')).toBe('/demo?tier=webrtc');
});

it.each([
	'//evil.example',
	'/\\evil.example',
	'https://evil.example',
	'javascript:alert(1)',
	'',
	'/a\nb',
	undefined,
	['/a'],
])('does not follow %j', (wanted) => {
	expect(safeReturnPath(wanted)).toBe('/dashboard');
});
