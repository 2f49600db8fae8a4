/** Makes the colour of a name readable on a background, keeping its hue. WCAG 2.2 §1.4.3. Pure. */

/** Slightly above the required 4.5, because colours are rounded. */
const MIN_CONTRAST = 4.6;

type Rgb = readonly [red: number, green: number, blue: number];

/** Moves the colour towards black (light ground) or white (dark ground) as far as needed. Both `#rrggbb`. */
export function readableColor(color: string, ground: string): string {
	const from = parseColor(color);
	const onto = parseColor(ground);
	const isGroundLight = luminance(onto) > 0.18;
	const end: Rgb = isGroundLight ? [0, 0, 0] : [255, 255, 255];
	// In twentieths: finer steps are not visible.
	for (let step = 0; step <= 20; step++) {
		const mixed = mix(from, end, step / 20);
		if (contrast(mixed, onto) >= MIN_CONTRAST) {
			return formatColor(mixed);
		}
	}
	return formatColor(end);
}

/** Contrast of two colours, 1–21 (WCAG 2.2, "contrast ratio"). @internal for tests */
export function colorContrast(one: string, other: string): number {
	return contrast(parseColor(one), parseColor(other));
}

function parseColor(text: string): Rgb {
	const value = /^#[0-9a-f]{6}$/i.test(text) ? Number.parseInt(text.slice(1), 16) : 0x808080;
	return [value >> 16, (value >> 8) & 0xff, value & 0xff];
}

function formatColor(color: Rgb): string {
	return `#${color.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
	return from.map((part, index) => Math.round(part + (to[index]! - part) * share)) as unknown as Rgb;
}

function contrast(one: Rgb, other: Rgb): number {
	const [bright, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
	return (bright + 0.05) / (dark + 0.05);
}

// WCAG 2.2, "relative luminance".
function luminance(color: Rgb): number {
	const [red, green, blue] = color.map((part) => {
		const share = part / 255;
		return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
	}) as unknown as Rgb;
	return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
