/** The run as one HTML file without scripts or other resources: verdict, main figures, charts, tables. */
import type { HistogramSummary } from '../load/figures/histogram.ts';
import type { RunReport } from '../load/run-report.ts';
import { type Chart, type ChartLine, escapeHtml, renderChart } from './svg-chart.ts';

const X_TICK_COUNT = 6;
const LATENCIES: readonly { metric: string; label: string; color: number }[] = [
	{ metric: 'webrtc.latency', label: 'WebRTC', color: 1 },
	{ metric: 'hls.latency', label: 'LL-HLS', color: 2 },
	{ metric: 'pixel.webrtc.latency', label: 'WebRTC in Chromium, from pixels', color: 5 },
	{ metric: 'pixel.hls.latency', label: 'LL-HLS in Chromium, from pixels', color: 6 },
];

export function renderHtmlReport(report: RunReport): string {
	const word = { kept: 'Valid', 'not-kept': 'Thresholds not kept', invalid: 'Invalid: the tester was the bottleneck' }[
		report.verdict
	];
	const reasons = report.invalidReasons.map((reason) => `<li>${escapeHtml(reason)}</li>`).join('');
	return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load test ${escapeHtml(report.startedAt)}</title><style>${REPORT_STYLE}</style>
<main><h1>Spillway load test</h1><div class="soft">${escapeHtml(planText(report))}</div>
<div class="verdict ${report.verdict}">${word}</div>${reasons === '' ? '' : `<ul class="reasons">${reasons}</ul>`}
<div class="tiles">${tiles(report)}</div>
<h2>Over time</h2><div class="charts">${timeCharts(report).map(renderChart).join('')}</div>
${distribution(report)}
${thresholdTable(report)}
<h2>Percentiles <small>steady state; joins, switches and peaks of the whole run; times in ms, bitrates in bit/s</small></h2>
<div class="scroll">${spreadTable(Object.entries(report.spreads).filter(([name]) => !name.startsWith('self.')))}</div>
<h2>Counted</h2>${numberList(report)}
<h2>The tester itself <small>event-loop lag in ms, cores</small></h2>
<div class="scroll">${spreadTable(Object.entries(report.spreads).filter(([name]) => name.startsWith('self.')))}</div>
<h2>Notes</h2><pre>${escapeHtml(notesText(report))}</pre></main></html>
`;
}

function planText({ plan, startedAt, machine }: RunReport): string {
	const people = Object.entries(plan.counts)
		.filter(([, count]) => count > 0)
		.map(([kind, count]) => `${count} ${kind}`);
	const source = plan.publish === undefined ? [] : [`published by ${plan.publish}`];
	const leaving = plan.leaveCount === 0 ? [] : [`${plan.leaveCount} leave, then ${plan.afterMs / 1000} s`];
	return [
		startedAt,
		people.join(', '),
		`ramp ${plan.rampMs / 1000} s`,
		`steady ${plan.durationMs / 1000} s`,
		...leaving,
		...source,
		`${machine.coreCount} cores for everything that ran here`,
	].join(' · ');
}

function tiles({ spreads, numbers, timeline, costs }: RunReport): string {
	const peak = (name: string): number => Math.max(0, ...timeline.map(({ gauges }) => gauges[name] ?? 0));
	const entries: [string, string, string][] = [];
	for (const { metric, label } of LATENCIES) {
		const spread = spreads[metric];
		if (spread !== undefined) {
			entries.push([
				`${label} latency`,
				`${spread.p50.toFixed(0)} ms`,
				`p95 ${spread.p95.toFixed(0)} ms, p99 ${spread.p99.toFixed(0)} ms`,
			]);
		}
	}
	const viewers = (kind: string, label: string, trouble: string): void => {
		const count = peak(`${kind}.playing`);
		if (count > 0) {
			const [failed, troubles] = [numbers[`${kind}.failed`] ?? 0, numbers[`${kind}.${trouble}`] ?? 0];
			entries.push([`${label} viewers`, String(count), `${failed} failed, ${troubles} ${trouble}`]);
		}
	};
	viewers('webrtc', 'WebRTC', 'freezes');
	viewers('hls', 'LL-HLS', 'stalls');
	const delivery = spreads['chat.delivery'];
	if (delivery !== undefined) {
		entries.push([
			'Chat delivery p99',
			`${delivery.p99.toFixed(0)} ms`,
			`${numbers['chat.delivered'] ?? 0} delivered, ${numbers['chat.lost'] ?? 0} lost`,
		]);
	}
	const cores = spreads['server.cores'];
	if (cores !== undefined) {
		const bytes = spreads['server.rssBytes'];
		entries.push([
			'Server CPU',
			`${cores.mean.toFixed(2)} cores`,
			bytes === undefined ? '' : `${(bytes.max / 2 ** 20).toFixed(0)} MiB resident`,
		]);
	}
	for (const { kind, viewerCount, cores: each, rssBytes } of costs) {
		entries.push([
			`One ${kind} viewer`,
			each === undefined ? '–' : `${(each * 1000).toFixed(2)} mcore`,
			`of ${viewerCount}; ${rssBytes === undefined ? '–' : (rssBytes / 1024).toFixed(0)} KiB`,
		]);
	}
	return entries
		.map(
			([label, value, detail]) =>
				`<div class="tile"><span class="soft">${escapeHtml(label)}</span><b>${escapeHtml(value)}</b><small>${escapeHtml(detail)}</small></div>`,
		)
		.join('');
}

function timeCharts(report: RunReport): Chart[] {
	const { timeline } = report;
	const steady = timeline.filter(({ phase }) => phase === 'steady');
	const [from, to] = [timeline[0]?.atMs ?? 0, timeline.at(-1)?.atMs ?? 1];
	const frame = {
		xLabel: 'seconds from the first viewer',
		xTicks: Array.from({ length: X_TICK_COUNT + 1 }, (_, index) => {
			const x = Math.round((from + ((to - from) * index) / X_TICK_COUNT) / 1000) * 1000;
			return { x, label: String(x / 1000) };
		}),
		...(steady.length < 2 ? {} : { band: { from: steady[0]!.atMs, to: steady.at(-1)!.atMs, label: 'steady' } }),
	};
	const gauge = (name: string, label: string, color: number): ChartLine => ({
		label,
		color,
		points: timeline
			.filter(({ gauges }) => gauges[name] !== undefined)
			.map(({ atMs, gauges }) => ({ x: atMs, y: gauges[name]! })),
	});
	const spread = (name: string, key: 'p50' | 'p95', label: string, color: number, factor = 1): ChartLine => ({
		label,
		color,
		isDashed: key === 'p95',
		points: timeline
			.filter(({ spreads }) => spreads[name] !== undefined)
			.map(({ atMs, spreads }) => ({ x: atMs, y: spreads[name]![key] * factor })),
	});
	const latencyLines = LATENCIES.flatMap(({ metric, label, color }) => [
		spread(metric, 'p50', `${label} p50`, color),
		spread(metric, 'p95', `${label} p95`, color),
	]);
	const lagNames = [
		...new Set(timeline.flatMap(({ spreads }) => Object.keys(spreads).filter((name) => /^self\..*\.lag$/.test(name)))),
	];
	return [
		{
			...frame,
			title: 'Viewers',
			unit: 'playing',
			lines: [
				gauge('webrtc.playing', 'WebRTC', 1),
				gauge('hls.playing', 'LL-HLS', 2),
				gauge('audience.joined', 'audience joined', 3),
				gauge('audience.webrtcHeld', 'WebRTC held by the audience', 4),
				gauge('chat.joined', 'chatters', 5),
			],
		},
		{
			...frame,
			title: 'Viewers by the size of their picture',
			unit: 'playing',
			lines: report.rungs.map(({ tier, rung }, index) => ({
				...gauge(`${tier}.rung.${rung}`, `${tier === 'hls' ? 'LL-HLS' : 'WebRTC'} ${rung}`, (index % 6) + 1),
				isDashed: tier === 'hls',
			})),
		},
		{ ...frame, title: 'Latency', unit: 'ms, capture to shown or received', lines: latencyLines },
		{
			...frame,
			title: 'Chat delivery',
			unit: 'ms from when it was due',
			lines: [spread('chat.delivery', 'p50', 'p50', 1), spread('chat.delivery', 'p95', 'p95', 1)],
		},
		{
			...frame,
			title: 'Server CPU',
			unit: 'cores, with all its processes',
			lines: [spread('server.cores', 'p50', 'cores', 3)],
		},
		{
			...frame,
			title: 'Server memory',
			unit: 'MiB resident',
			lines: [spread('server.rssBytes', 'p50', 'resident', 4, 1 / 2 ** 20)],
		},
		{
			...frame,
			title: 'Tester’s event-loop lag',
			unit: 'ms, p95 of each second',
			lines: lagNames.map((name, index) => ({
				...spread(name, 'p95', name.slice(5, -4), (index % 6) + 1),
				isDashed: false,
			})),
		},
	];
}

function distribution({ curves }: RunReport): string {
	// Percentiles by their number of nines, because a linear axis hides the tail.
	const nines = (p: number): number => -Math.log10(1 - Math.min(p, 99.95) / 100);
	const chart = renderChart({
		title: 'Latency by percentile',
		unit: 'ms',
		xLabel: 'percentile',
		xTicks: [0, 50, 90, 99, 99.9].map((p) => ({ x: nines(p), label: `${p} %` })),
		lines: [...LATENCIES, { metric: 'chat.delivery', label: 'chat delivery', color: 3 }].map(
			({ metric, label, color }) => ({
				label,
				color,
				points: (curves[metric] ?? []).map(({ p, value }) => ({ x: nines(p), y: value })),
			}),
		),
	});
	return chart === '' ? '' : `<h2>Distribution</h2><div class="charts">${chart}</div>`;
}

function thresholdTable({ thresholds }: RunReport): string {
	if (thresholds.length === 0) {
		return '';
	}
	const rows = thresholds
		.map(
			({ text, value, isKept }) =>
				`<tr><td>${escapeHtml(text)}</td><td>${value === undefined ? 'not measured' : compact(value)}</td><td class="${isKept ? 'kept' : 'not-kept'}">${isKept ? 'kept' : 'not kept'}</td></tr>`,
		)
		.join('');
	return `<h2>Thresholds</h2><div class="scroll"><table><tr><th>condition</th><th>value</th><th></th></tr>${rows}</table></div>`;
}

function spreadTable(entries: readonly [string, HistogramSummary][]): string {
	const keys = ['count', 'mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'] as const;
	const head = keys.map((key) => `<th>${key === 'p999' ? 'p99.9' : key}</th>`).join('');
	const rows = entries.map(
		([name, spread]) =>
			`<tr><td>${escapeHtml(name)}</td>${keys.map((key) => `<td>${compact(spread[key])}</td>`).join('')}</tr>`,
	);
	return `<table><tr><th>metric</th>${head}</tr>${rows.join('')}</table>`;
}

function numberList({ numbers }: RunReport): string {
	const rows = Object.entries(numbers)
		.sort(([a], [b]) => a.localeCompare(b))
		.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${compact(value)}</dd></div>`);
	return `<dl>${rows.join('')}</dl>`;
}

function notesText({ notes, clockOffset, machine }: RunReport): string {
	const clock =
		clockOffset === undefined
			? 'The server does not report its time; its clock is assumed to be the tester’s.'
			: `The server’s clock is ${clockOffset.offsetMs.toFixed(2)} ms ahead, within ${clockOffset.errorMs.toFixed(2)} ms.`;
	const busy =
		machine.busyRatio === undefined
			? ''
			: `This machine was ${(machine.busyRatio * 100).toFixed(0)} % busy in the steady state. `;
	const meaning =
		'WebRTC latency: capture time in the packet to the last packet of the picture; no jitter buffer, no decoding. LL-HLS latency: capture time to the playhead of a buffer model. Chromium: capture time drawn into the picture to the picture on the screen.';
	return [`${busy}${clock} Node ${machine.nodeVersion}.`, meaning, ...notes].join('\n');
}

function compact(value: number): string {
	const magnitude = Math.abs(value);
	if (magnitude >= 1e6) {
		return `${(value / 1e6).toFixed(2)} M`;
	}
	if (Number.isInteger(value) || magnitude >= 1000) {
		return String(Math.round(value));
	}
	return magnitude >= 100 ? value.toFixed(1) : value.toPrecision(3);
}

/** Light and dark by the reader's own setting. */
const REPORT_STYLE = `
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #ffffff; --ink: #16191f; --soft: #5d6675; --rule: #e3e6eb; --band: #eef2fb;
	--good: #12804a; --bad: #c02b3a; --warn: #9a6100; --line-1: #2563c9; --line-2: #d9730d; --line-3: #12804a; --line-4: #a13bb5; --line-5: #0b8c9e; --line-6: #b3384b; }
@media (prefers-color-scheme: dark) { :root { --bg: #111318; --card: #1a1d24; --ink: #e8eaee; --soft: #9aa3b2; --rule: #2b303a; --band: #20283a;
	--good: #4cc38a; --bad: #ff6b78; --warn: #f0b04a; --line-1: #6ea3ff; --line-2: #f5a35c; --line-3: #4cc38a; --line-4: #d38be4; --line-5: #4fc7d8; --line-6: #ff8a97; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 12px; }
.soft, small { color: var(--soft); font-weight: 400; }
.verdict { display: inline-block; margin: 16px 0 0; padding: 6px 14px; border-radius: 6px; font-weight: 650; border: 1.5px solid currentColor; }
.kept { color: var(--good); } .not-kept { color: var(--bad); } .invalid { color: var(--warn); }
ul.reasons { margin: 10px 0 0; padding-left: 20px; color: var(--warn); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin-top: 24px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px 8px; }
figcaption { font-weight: 600; } svg { display: block; width: 100%; height: auto; margin-top: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; min-height: 22px; color: var(--soft); font-size: 13px; }
.swatch { display: inline-block; width: 16px; height: 0; border-top: 2.5px solid var(--c); vertical-align: middle; margin-right: 6px; } .swatch.dashed { border-top-style: dashed; }
.grid { stroke: var(--rule); } .tick { fill: var(--soft); font-size: 12px; } .band { fill: var(--band); } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { padding: 7px 14px; text-align: right; white-space: nowrap; border-top: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 500; font-size: 13px; border-top: 0; } th:first-child, td:first-child { text-align: left; } td.text { text-align: left; white-space: normal; }
dl { columns: 320px; column-gap: 40px; margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; }
dl div { display: flex; justify-content: space-between; gap: 12px; break-inside: avoid; padding: 3px 0; } dt { color: var(--soft); overflow-wrap: anywhere; } dd { margin: 0; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; margin: 0; font-size: 13px; }
`;
