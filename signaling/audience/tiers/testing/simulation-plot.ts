/** Draws a run of the tier simulation as an SVG with four panels over one time axis. */
import type { SimulationSample } from './audience-simulation.ts';

type Line = { label: string; color: string; values: readonly number[]; isDashed?: boolean };
type Panel = { title: string; lines: readonly Line[] };

const WIDTH = 960;
const PANEL_HEIGHT = 150;
const PANEL_GAP = 56;
const LEFT = 72;
const RIGHT = 24;
const TOP = 64;
const COLORS = { blue: '#2563eb', orange: '#ea580c', green: '#15803d', red: '#dc2626', grey: '#6b7280' };

/** `title` and `caption` are escaped. */
export function plotSimulation(samples: readonly SimulationSample[], title: string, caption: string): string {
	const panels = panelsOf(samples);
	const height = TOP + panels.length * (PANEL_HEIGHT + PANEL_GAP);
	const endSeconds = samples.at(-1)?.atSeconds ?? 1;
	const x = (seconds: number): number => LEFT + (seconds / endSeconds) * (WIDTH - LEFT - RIGHT);
	const seconds = samples.map(({ atSeconds }) => atSeconds);
	const body = panels.map((panel, index) =>
		drawPanel(panel, seconds, x, TOP + 20 + index * (PANEL_HEIGHT + PANEL_GAP), endSeconds),
	);
	return [
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
		`<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
		`<text x="${LEFT}" y="24" font-size="16" font-weight="600">${escapeText(title)}</text>`,
		`<text x="${LEFT}" y="44" fill="${COLORS.grey}">${escapeText(caption)}</text>`,
		...body,
		'</svg>',
		'',
	].join('\n');
}

function panelsOf(samples: readonly SimulationSample[]): Panel[] {
	const column = (key: keyof SimulationSample): number[] => samples.map((sample) => sample[key]);
	return [
		{
			title: 'Viewers',
			lines: [
				{ label: 'all', color: COLORS.grey, values: column('viewerCount') },
				{ label: 'LL-HLS', color: COLORS.orange, values: column('hlsCount'), isDashed: true },
			],
		},
		{
			title: 'WebRTC tier, viewers',
			lines: [
				{ label: 'budget', color: COLORS.red, values: column('hardLimit') },
				{ label: 'filled up to', color: COLORS.grey, values: column('target'), isDashed: true },
				{ label: 'transports held', color: COLORS.green, values: column('heldCount') },
				{ label: 'decided WebRTC', color: COLORS.blue, values: column('webRtcCount') },
			],
		},
		{
			title: 'Switches per second',
			lines: [
				{ label: 'planned', color: COLORS.blue, values: column('plannedCount') },
				{ label: 'emergencies', color: COLORS.red, values: column('emergencyCount') },
			],
		},
		{
			title: 'Time of one decision run, ms (ten runs a second)',
			lines: [
				{ label: 'longest', color: COLORS.orange, values: column('longestDecisionMs') },
				{ label: 'mean', color: COLORS.blue, values: column('meanDecisionMs') },
			],
		},
	];
}

function drawPanel(
	panel: Panel,
	seconds: readonly number[],
	x: (seconds: number) => number,
	top: number,
	endSeconds: number,
): string {
	const bottom = top + PANEL_HEIGHT;
	const most = roundUp(Math.max(1, ...panel.lines.flatMap(({ values }) => values.filter(Number.isFinite))));
	const y = (value: number): number => bottom - (Math.min(value, most) / most) * PANEL_HEIGHT;
	const parts = [`<text x="${LEFT}" y="${top - 8}" font-weight="600">${escapeText(panel.title)}</text>`];
	for (let step = 0; step <= 4; step++) {
		const value = (most * step) / 4;
		parts.push(
			`<path d="M${LEFT} ${coordinate(y(value))}H${WIDTH - RIGHT}" stroke="#e5e7eb"/>`,
			`<text x="${LEFT - 8}" y="${coordinate(y(value) + 4)}" text-anchor="end" fill="${COLORS.grey}">${shortNumber(value)}</text>`,
		);
	}
	for (let at = 0; at <= endSeconds; at += 30) {
		parts.push(
			`<path d="M${coordinate(x(at))} ${bottom}v4" stroke="${COLORS.grey}"/>`,
			`<text x="${coordinate(x(at))}" y="${bottom + 18}" text-anchor="middle" fill="${COLORS.grey}">${at} s</text>`,
		);
	}
	let legendX = WIDTH - RIGHT;
	for (const line of [...panel.lines].reverse()) {
		parts.push(drawLine(line, seconds, x, y));
		parts.push(
			`<text x="${legendX}" y="${top - 8}" text-anchor="end" fill="${line.color}">${escapeText(line.label)}</text>`,
		);
		legendX -= line.label.length * 7 + 20;
	}
	return parts.join('\n');
}

function drawLine(
	{ color, values, isDashed = false }: Line,
	seconds: readonly number[],
	x: (seconds: number) => number,
	y: (value: number) => number,
): string {
	const points = values.map((value, index) => `${coordinate(x(seconds[index]!))} ${coordinate(y(value))}`);
	const dash = isDashed ? ' stroke-dasharray="5 4"' : '';
	return `<path d="M${points.join('L')}" fill="none" stroke="${color}" stroke-width="1.5"${dash}/>`;
}

// 1, 2, 4 or 8 times a power of ten, so that four steps of the axis are round numbers.
function roundUp(value: number): number {
	const power = 10 ** Math.floor(Math.log10(value));
	return power * ([1, 2, 4, 8, 10].find((factor) => factor * power >= value) ?? 10);
}

function shortNumber(value: number): string {
	if (value >= 1_000_000) {
		return `${value / 1_000_000} M`;
	}
	return value >= 10_000 ? `${value / 1000} k` : String(Number(value.toPrecision(3)));
}

function coordinate(value: number): string {
	return String(Math.round(value * 10) / 10);
}

function escapeText(text: string): string {
	return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
