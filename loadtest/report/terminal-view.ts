/** The operator's view of a run: a live block on a terminal, plain lines elsewhere, and the table at the end. */
import type { HistogramSummary } from '../load/figures/histogram.ts';
import type { RunRecorder, TimelinePoint } from '../load/figures/recorder.ts';
import type { RunReport } from '../load/run-report.ts';

/** Without a terminal: seconds between two lines. */
const PLAIN_EVERY = 5;
const BAR_WIDTH = 24;

/** One point as a line. @internal for tests */
export function pointLine({ atMs, phase, gauges, spreads, counters }: TimelinePoint): string {
	const parts = [`${(atMs / 1000).toFixed(0).padStart(4)} s ${phase.padEnd(8)}`];
	const tier = (name: string, label: string): void => {
		if (gauges[`${name}.playing`] !== undefined || (counters[`${name}.started`] ?? 0) > 0) {
			const latency = spreads[`${name}.latency`];
			const times = latency === undefined ? '' : ` ${latency.p50.toFixed(0)}/${latency.p95.toFixed(0)} ms`;
			parts.push(`${label} ${gauges[`${name}.playing`] ?? 0}${rungsText(name, gauges)}${times}`);
		}
	};
	tier('webrtc', 'WebRTC');
	tier('hls', 'LL-HLS');
	tier('pixel.webrtc', 'Chromium WebRTC');
	tier('pixel.hls', 'Chromium LL-HLS');
	if (gauges['audience.joined'] !== undefined) {
		parts.push(`audience ${gauges['audience.joined']}, presence ${gauges['audience.presence'] ?? '–'}`);
	}
	if (gauges['chat.joined'] !== undefined) {
		const delivery = spreads['chat.delivery'];
		const times = delivery === undefined ? '' : ` ${delivery.p50.toFixed(1)}/${delivery.p95.toFixed(1)} ms`;
		parts.push(`chat ${gauges['chat.joined']}, ${counters['chat.delivered'] ?? 0}/s${times}`);
	}
	const failures = Object.entries(counters).filter(
		([name, count]) => /\.(failed|refused|disconnected)$/.test(name) && count > 0,
	);
	parts.push(...failures.map(([name, count]) => `${name} ${count}`));
	const cores = spreads['server.cores'];
	if (cores !== undefined) {
		parts.push(`server ${cores.p50.toFixed(2)} cores, ${(spreads['server.rssBytes']!.p50 / 2 ** 20).toFixed(0)} MiB`);
	}
	const lags = Object.entries(spreads).filter(([name]) => /^self\..*\.lag$/.test(name));
	if (lags.length > 0) {
		parts.push(`tester lag ${Math.max(...lags.map(([, { p95 }]) => p95)).toFixed(1)} ms`);
	}
	return parts.join(' | ');
}

// ` (720p 12, 360p 8)`, when viewers differ.
function rungsText(tier: string, gauges: TimelinePoint['gauges']): string {
	const prefix = `${tier}.rung.`;
	const rungs = Object.entries(gauges).filter(([name, count]) => name.startsWith(prefix) && count > 0);
	return rungs.length < 2
		? ''
		: ` (${rungs.map(([name, count]) => `${name.slice(prefix.length)} ${count}`).join(', ')})`;
}

/** `ratio`: 0–1. @internal for tests */
export function progressBar(ratio: number): string {
	const full = Math.round(Math.min(1, Math.max(0, ratio)) * BAR_WIDTH);
	return `[${'█'.repeat(full)}${'·'.repeat(BAR_WIDTH - full)}]`;
}

/** The table at the end. */
export function summaryText(report: RunReport): string {
	const rows = Object.entries(report.spreads)
		.filter(([name]) => !name.startsWith('self.'))
		.map(([name, spread]) => row(name, spread));
	const head = `${'metric'.padEnd(26)}${['count', 'p50', 'p95', 'p99', 'max'].map((name) => name.padStart(11)).join('')}`;
	const numbers = Object.entries(report.numbers)
		.sort(([a], [b]) => a.localeCompare(b))
		.map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toPrecision(3)}`);
	const costs = report.costs.map(
		({ kind, viewerCount, cores, rssBytes }) =>
			`each of ${viewerCount} ${kind}: ${cores === undefined ? '–' : (cores * 1000).toFixed(2)} thousandths of a core, ` +
			`${rssBytes === undefined ? '–' : (rssBytes / 1024).toFixed(0)} KiB of the server`,
	);
	const rungs = report.rungs.map(({ tier, rung, viewerCount }) => `${tier} ${rung}: ${viewerCount} viewers`);
	const verdict = { kept: 'VALID', 'not-kept': 'THRESHOLDS NOT KEPT', invalid: 'INVALID' }[report.verdict];
	return [
		...['', head, ...rows, '', ...wrap(numbers), ...costs, ...wrap(rungs), ''],
		...report.thresholds.map(
			({ text, value, isKept }) =>
				`${isKept ? 'kept    ' : 'NOT KEPT'} ${text} (${value?.toPrecision(4) ?? 'not measured'})`,
		),
		...report.invalidReasons.map((reason) => `INVALID: ${reason}`),
		verdict,
	].join('\n');
}

export class TerminalView {
	readonly #output: NodeJS.WriteStream;
	#lineCount = 0;
	#ticks = 0;

	constructor(output: NodeJS.WriteStream) {
		this.#output = output;
	}

	tick(recorder: RunRecorder, atMs: number, totalMs: number): void {
		const point = recorder.timeline.at(-1);
		if (point === undefined) {
			return;
		}
		if (!this.#output.isTTY) {
			if (this.#ticks++ % PLAIN_EVERY === 0) {
				this.#output.write(`${pointLine(point)}\n`);
			}
			return;
		}
		this.#erase();
		const [head, ...parts] = pointLine(point).split(' | ');
		const lines = [`${progressBar(atMs / totalMs)} ${head}`, ...parts.map((part) => `  ${part}`)];
		this.#output.write(`${lines.join('\n')}\n`);
		this.#lineCount = lines.length;
	}

	note(text: string): void {
		this.#erase();
		this.#output.write(`${text}\n`);
	}

	#erase(): void {
		if (this.#lineCount > 0) {
			// Up and clear to the end of the screen (ECMA-48 CUU, ED).
			this.#output.write(`\u001b[${this.#lineCount}A\u001b[J`);
			this.#lineCount = 0;
		}
	}
}

function row(name: string, spread: HistogramSummary): string {
	const numbers = [spread.p50, spread.p95, spread.p99, spread.max].map((value) => compact(value).padStart(11));
	return `${name.padEnd(26)}${String(spread.count).padStart(11)}${numbers.join('')}`;
}

function compact(value: number): string {
	const magnitude = Math.abs(value);
	if (magnitude >= 1e6) {
		return `${(value / 1e6).toFixed(2)} M`;
	}
	return magnitude >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function wrap(items: readonly string[]): string[] {
	const lines: string[] = [];
	for (const item of items) {
		const last = lines.at(-1);
		if (last !== undefined && last.length + item.length < 110) {
			lines[lines.length - 1] = `${last} · ${item}`;
		} else {
			lines.push(item);
		}
	}
	return lines;
}
