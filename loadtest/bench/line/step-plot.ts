/** Draws how viewers follow the steps of a line, as an SVG with panels over one time axis. Pure text. */

/** Values over time; `undefined` breaks the line. */
export type PlotLine = {
	label: string;
	color: string;
	isDashed?: boolean;
	/** The value holds until the next point, instead of a slope. */
	isStepped?: boolean;
	points: ReadonlyArray<{ atSeconds: number; value: number | undefined }>;
};

export type PlotPanel = {
	title: string;
	lines: readonly PlotLine[];
	/** Shaded stretches, such as those without a picture. */
	bands?: ReadonlyArray<{ fromSeconds: number; toSeconds: number; color: string }>;
};

const WIDTH = 960;
const PANEL_HEIGHT = 150;
const PANEL_GAP = 56;
const LEFT = 72;
const RIGHT = 24;
const TOP = 64;
const SECONDS_STEP = 10;
/** Of a letter of the legend. */
const LETTER_PIXELS = 7;
export const PLOT_COLORS = { blue: '#2563eb', orange: '#ea580c', green: '#15803d', red: '#dc2626', grey: '#6b7280' };

/** Texts are escaped. */
export function plotSteps(panels: readonly PlotPanel[], title: string, caption: string): string {
	const height = TOP + panels.length * (PANEL_HEIGHT + PANEL_GAP);
	const ends = panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(({ atSeconds }) => atSeconds)));
	const endSeconds = ends.reduce((most, value) => Math.max(most, value), 1);
	const toX = (seconds: number): number => LEFT + (Math.max(0, seconds) / endSeconds) * (WIDTH - LEFT - RIGHT);
	const body = panels.map((panel, index) =>
		drawPanel(panel, toX, TOP + 20 + index * (PANEL_HEIGHT + PANEL_GAP), endSeconds),
	);
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
		`<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
		`<text x="${LEFT}" y="24" font-size="16" font-weight="600">${escapeText(title)}</text>`,
		`<text x="${LEFT}" y="44" fill="${PLOT_COLORS.grey}">${escapeText(caption)}</text>`,
		...body,
		'</svg>',
		'',
	].join('\n');
}

function drawPanel(panel: PlotPanel, toX: (seconds: number) => number, top: number, endSeconds: number): string {
	const bottom = top + PANEL_HEIGHT;
	const values = panel.lines.flatMap(({ points }) => points.map(({ value }) => value ?? 0));
	const most = roundUp(values.reduce((highest, value) => Math.max(highest, value), 0.1));
	const toY = (value: number): number => bottom - (Math.min(value, most) / most) * PANEL_HEIGHT;
	const parts = (panel.bands ?? []).map(({ fromSeconds, toSeconds, color }) => {
		const [x, endX] = [toX(fromSeconds), toX(toSeconds)];
		const size = `width="${coordinate(endX - x)}" height="${PANEL_HEIGHT}"`;
		return `<rect x="${coordinate(x)}" y="${top}" ${size} fill="${color}" fill-opacity="0.12"/>`;
	});
	parts.push(`<text x="${LEFT}" y="${top - 8}" font-weight="600">${escapeText(panel.title)}</text>`);
	for (let step = 0; step <= 4; step++) {
		const value = (most * step) / 4;
		const y = coordinate(toY(value));
		const label = `<text x="${LEFT - 8}" y="${coordinate(toY(value) + 4)}" text-anchor="end" fill="${PLOT_COLORS.grey}">`;
		parts.push(`<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" stroke="#e5e7eb"/>`);
		parts.push(`${label}${Number(value.toPrecision(3))}</text>`);
	}
	for (let at = 0; at <= endSeconds; at += SECONDS_STEP) {
		const x = coordinate(toX(at));
		parts.push(`<path d="M${x} ${bottom}v4" stroke="${PLOT_COLORS.grey}"/>`);
		parts.push(`<text x="${x}" y="${bottom + 18}" text-anchor="middle" fill="${PLOT_COLORS.grey}">${at} s</text>`);
	}
	let legendX = WIDTH - RIGHT;
	for (const line of [...panel.lines].reverse()) {
		parts.push(drawLine(line, toX, toY));
		const place = `x="${legendX}" y="${top - 8}" text-anchor="end"`;
		parts.push(`<text ${place} fill="${line.color}">${escapeText(line.label)}</text>`);
		legendX -= line.label.length * LETTER_PIXELS + 20;
	}
	return parts.join('\n');
}

function drawLine(
	{ color, points, isDashed = false, isStepped = false }: PlotLine,
	toX: (seconds: number) => number,
	toY: (value: number) => number,
): string {
	let path = '';
	let isDrawing = false;
	for (const { atSeconds, value } of points) {
		if (value === undefined) {
			isDrawing = false;
			continue;
		}
		const [x, y] = [coordinate(toX(atSeconds)), coordinate(toY(value))];
		path += !isDrawing ? `M${x} ${y}` : isStepped ? `H${x}V${y}` : `L${x} ${y}`;
		isDrawing = true;
	}
	const dash = isDashed ? ' stroke-dasharray="5 4"' : '';
	return `<path d="${path}" fill="none" stroke="${color}" stroke-width="1.5"${dash}/>`;
}

// 1, 2, 4 or 8 times a power of ten, so that four steps of the axis are round numbers.
function roundUp(value: number): number {
	const power = 10 ** Math.floor(Math.log10(value));
	return power * ([1, 2, 4, 8, 10].find((factor) => factor * power >= value) ?? 10);
}

function coordinate(value: number): string {
	return String(Math.round(value * 10) / 10);
}

function escapeText(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
