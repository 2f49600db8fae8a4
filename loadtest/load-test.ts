/**
 * The load tester: `npm run loadtest -- --publish rtmp --webrtc 20 --hls 20 --chat 50 --ramp 10s --duration 30s`. Each
 * kind of virtual viewer has its own process; this one starts them, records and judges. Ends everything it has started.
 */
import { writeFile } from 'node:fs/promises';
import { systemClock } from '../core/lifecycle/clock.ts';
import { LOAD_TEST_USAGE, type LoadOptions, parseLoadOptions } from './load/options.ts';
import { renderHtmlReport } from './report/html-report.ts';
import { exitCodeOf } from './load/run-report.ts';
import { summaryText, TerminalView } from './report/terminal-view.ts';
import { runLoad } from './load/load-run.ts';

const WRONG_COMMAND_LINE = 2;

async function main(): Promise<number> {
	let options: LoadOptions | 'help';
	try {
		options = parseLoadOptions(process.argv.slice(2));
	} catch (error) {
		console.error(`${(error as Error).message}\n\n${LOAD_TEST_USAGE}`);
		return WRONG_COMMAND_LINE;
	}
	if (options === 'help') {
		console.log(LOAD_TEST_USAGE);
		return 0;
	}
	const abort = new AbortController();
	for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
		process.on(name, () => abort.abort(new Error(`ended by ${name}`)));
	}
	const view = new TerminalView(process.stderr);
	const report = await runLoad(systemClock, options, abort.signal, {
		tick: (recorder, atMs, totalMs) => view.tick(recorder, atMs, totalMs),
		note: (text) => view.note(text),
	});
	if (options.jsonFile !== undefined) {
		await writeFile(options.jsonFile, `${JSON.stringify(report, undefined, '\t')}\n`);
	}
	if (options.htmlFile !== undefined) {
		await writeFile(options.htmlFile, renderHtmlReport(report));
	}
	console.log(summaryText(report));
	return exitCodeOf(report);
}

// Keeps the process alive until main() is done, which timers of core/lifecycle/clock.ts do not.
const keepAlive = setInterval(() => undefined, 60_000);
try {
	process.exitCode = await main();
} catch (error) {
	console.error(`The load test failed: ${(error as Error).message}`);
	process.exitCode = 1;
}
clearInterval(keepAlive);
