/** Line charts as inline SVG, for self-contained reports. Pure text; colours are CSS variables of the page. */

/** One line. `color` is the number of a CSS variable, `--line-1` and up. */
export type ChartLine = {
	label: string;
	color: number;
	isDashed?: boolean;
	points: readonly { x: number; y: number }[];
};

export type Chart = {
	title: string;
	/** Of the numbers on the left: `ms`. */
	unit: string;
	lines: readonly ChartLine[];
	xTicks: readonly { x: number; label: string }[];
	/** Shaded stretch, such as the steady state. */
	band?: { from: number; to: number; label: string };
	xLabel: string;
};

const WIDTH = 720;
const HEIGHT = 260;
const MARGIN = { top: 14, right: 16, bottom: 38, left: 58 };
const TICK_COUNT = 5;
const MAX_POINTS = 600;

/** A figure with its chart and its legend; empty text when there is nothing to draw. */
export function renderChart(chart: Chart): string {
	const lines = chart.lines.filter(({ points }) => points.length > 0);
	if (lines.length === 0) {
		return '';
	}
	const all = lines.flatMap(({ points }) => points);
	const [minX, maxX] = extremes(all.map(({ x }) => x));
	const ticks = niceTicks(Math.min(0, ...all.map(({ y }) => y)), Math.max(...all.map(({ y }) => y)));
	const [minY, maxY] = [ticks[0]!, ticks.at(-1)!];
	const toX = (x: number): number =>
		MARGIN.left + ((x - minX) / (maxX - minX || 1)) * (WIDTH - MARGIN.left - MARGIN.right);
	const toY = (y: number): number =>
		HEIGHT - MARGIN.bottom - ((y - minY) / (maxY - minY)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
	const grid = ticks
		.map((tick) => {
			const y = toY(tick).toFixed(1);
			return `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y}" y2="${y}"/><text class="tick" x="${MARGIN.left - 8}" y="${y}" dy="4" text-anchor="end">${formatTick(tick)}</text>`;
		})
		.join('');
	const xTicks = chart.xTicks
		.filter(({ x }) => x >= minX && x <= maxX)
		.map(
			({ x, label }) =>
				`<text class="tick" x="${toX(x).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${escapeHtml(label)}</text>`,
		)
		.join('');
	const band = chart.band === undefined ? '' : renderBand(chart.band, toX, minX, maxX);
	const paths = lines.map((line) => renderLine(line, toX, toY)).join('');
	const legend = lines
		.map(
			({ label, color, isDashed }) =>
				`<span class="key"><i class="swatch${isDashed === true ? ' dashed' : ''}" style="--c:var(--line-${color})"></i>${escapeHtml(label)}</span>`,
		)
		.join('');
	return (
		`<figure><figcaption>${escapeHtml(chart.title)} <small>${escapeHtml(chart.unit)}</small></figcaption><div class="legend">${legend}</div>` +
		`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(chart.title)}">${band}${grid}${xTicks}` +
		`<text class="tick" x="${WIDTH - MARGIN.right}" y="${HEIGHT - 4}" text-anchor="end">${escapeHtml(chart.xLabel)}</text>${paths}</svg></figure>`
	);
}

/** Round numbers that span the range, ascending; at least two. @internal for tests */
export function niceTicks(min: number, max: number): number[] {
	const span = Math.max(max - min, Math.abs(max) * 1e-6, 1e-9);
	const rough = span / TICK_COUNT;
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
	const from = Math.floor(min / step);
	const to = Math.max(from + 1, Math.ceil(max / step));
	return Array.from({ length: to - from + 1 }, (_, index) => Number(((from + index) * step).toPrecision(12)));
}

/** For HTML text and attribute values. */
export function escapeHtml(text: string): string {
	const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
	return text.replace(/[&<>"']/g, (character) => names[character]!);
}

function renderBand(band: NonNullable<Chart['band']>, toX: (x: number) => number, minX: number, maxX: number): string {
	const from = toX(Math.max(minX, band.from));
	const width = Math.max(0, toX(Math.min(maxX, band.to)) - from);
	return (
		`<rect class="band" x="${from.toFixed(1)}" y="${MARGIN.top}" width="${width.toFixed(1)}" height="${HEIGHT - MARGIN.top - MARGIN.bottom}"/>` +
		`<text class="tick" x="${(from + 6).toFixed(1)}" y="${MARGIN.top + 13}">${escapeHtml(band.label)}</text>`
	);
}

function renderLine(line: ChartLine, toX: (x: number) => number, toY: (y: number) => number): string {
	const stride = Math.ceil(line.points.length / MAX_POINTS);
	const points = line.points.filter((_, index) => index % stride === 0 || index === line.points.length - 1);
	const path = points
		.map(({ x, y }, index) => `${index === 0 ? 'M' : 'L'}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`)
		.join('');
	const dash = line.isDashed === true ? ' stroke-dasharray="5 4"' : '';
	return `<path class="line" style="stroke:var(--line-${line.color})"${dash} d="${path}"><title>${escapeHtml(line.label)}</title></path>`;
}

function extremes(values: readonly number[]): [number, number] {
	return [Math.min(...values), Math.max(...values)];
}

function formatTick(value: number): string {
	const magnitude = Math.abs(value);
	if (magnitude >= 1e6) {
		return `${Number((value / 1e6).toPrecision(4))} M`;
	}
	return magnitude >= 1e4 ? `${Number((value / 1e3).toPrecision(4))} k` : String(Number(value.toPrecision(4)));
}
