/**
 * Clips of what viewers saw, by the pixels: one viewer in each tier presses at the same instant. Which picture was on
 * each screen, when the link can be used, where the clip begins and ends on its page and in its MP4 file.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { median } from '../../core/percentiles.ts';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { type Clip, NEW_CLIP_SECONDS } from '../../core/protocol/api/clip.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../core/protocol/tiers.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import { describeClip, isClipComplete, loadBytes, openClipLink } from '../clients/hls/clip-link.ts';
import { checkClipFile, type ClipFileCheck } from '../interop/clip-file.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { throwFailure } from '../source/publisher.ts';
import { showClipPage, showFile, type ShownClip } from './measure/clip-screen.ts';
import { ClipViewer, type PressedClip } from './measure/clip-viewer.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type ServerAddresses, type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, say, withServer } from './bench-options.ts';

type ClipsOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Rounds of a clip in each tier. */
	count: number;
	/** On air before the first clip. */
	beforeClipMs: number;
	/** Played before each press. */
	settleMs: number;
};

/** One clip. Milliseconds are from the press, those of the file from the request for it. */
type MeasuredClip = PressedClip & {
	tier: DeliveryTier;
	/** Until description, playlists and first segment were loaded by another viewer. */
	linkMs: number;
	/** Until its last picture was recorded. */
	completeMs: number;
	durationSeconds: number;
	page?: ShownClip;
	/** Until `exportState` was `ready`, and until the file was here. */
	exportMs?: number;
	downloadMs?: number;
	file?: ShownFile;
	fileInChromium?: { first: number; last: number; durationSeconds: number };
	failures: string[];
};

/** Numbers of the first and the last picture by FFmpeg, and how many in between the source made and the file lacks. */
type ShownFile = { first: number; last: number; missing: number; capturedSeconds: number; bytes: number };

type ClipsRun = { publisher: PublisherKind; clips: MeasuredClip[]; selfWatch: SelfWatchResult };

const COMPLETE_DEADLINE_MS = 40_000;
const EXPORT_DEADLINE_MS = 60_000;
const POLL_MS = 100;
/** Of seconds that two sides print. */
const DURATION_MARGIN = 0.05;

export const clips: BenchCommand = {
	summary:
		'clips of a viewer in each tier (--rounds): exact to the picture, soon a link, soon a file (--seconds on air)',
	run: async (options) => {
		const { settings, roundCount: count, settleMs, beforeClipMs } = options;
		const { runs, markdown } = await withServer(options, (server) => {
			const run = (publisher: PublisherKind) =>
				runClips(server, { publisher, settings, count, settleMs, beforeClipMs });
			return runEach(options.publishers, run, formatClips);
		});
		return { result: { settings, runs }, markdown };
	},
};

async function runClips(server: ServerUnderTest, options: ClipsOptions): Promise<ClipsRun> {
	const browser = await launchChromium();
	try {
		return await withPublisher(server, options, async (publisher) => {
			const startedMs = systemClock.monotonicMs();
			const viewers = await openViewers(browser, server.addresses);
			const endWatch = watchSelf();
			await sleep(systemClock, Math.max(0, options.beforeClipMs - (systemClock.monotonicMs() - startedMs)));
			const measured: MeasuredClip[] = [];
			for (let round = 0; round < options.count; round++) {
				throwFailure(publisher);
				const made = await runRound(browser, server.addresses, viewers, { ...options, withFile: true });
				measured.push(...made);
				say(made.map(oneLine).join('\n'));
			}
			return { publisher: options.publisher, clips: measured, selfWatch: endWatch() };
		});
	} finally {
		await browser.close();
	}
}

/** One in each tier. */
function openViewers(browser: Browser, addresses: ServerAddresses): Promise<ClipViewer[]> {
	return Promise.all(DELIVERY_TIERS.map((tier) => ClipViewer.open(browser, addresses, tier)));
}

/** A clip of each viewer, pressed at once; `withFile`: and its MP4 file. */
async function runRound(
	browser: Browser,
	{ httpUrl }: Pick<ServerAddresses, 'httpUrl'>,
	viewers: readonly ClipViewer[],
	options: Pick<ClipsOptions, 'settings' | 'settleMs'> & { withFile: boolean },
): Promise<MeasuredClip[]> {
	await Promise.all(viewers.map((viewer) => viewer.watch(options.settleMs)));
	const made = await Promise.all(viewers.map((viewer) => makeClip(httpUrl, viewer)));
	// One after the other, because the times of a file count.
	for (const [index, clip] of made.entries()) {
		if (options.withFile) {
			await noteFailure(clip, () => measureFile(browser, httpUrl, viewers[index]!, clip, options.settings));
		}
		await noteFailure(clip, async () => {
			clip.page = await showClipPage(browser, new URL(`/clips/${clip.clipId}`, httpUrl).href);
		});
		clip.failures.push(...findFaults(clip, options.settings));
	}
	return made;
}

async function makeClip(httpUrl: string, viewer: ClipViewer): Promise<MeasuredClip> {
	const [pressed, loadMs] = await viewer.press(async (clipId) => {
		const askedMs = systemClock.monotonicMs();
		await openClipLink(httpUrl, clipId);
		return systemClock.monotonicMs() - askedMs;
	});
	const { completeMs, clip } = await waitUntilComplete(httpUrl, pressed);
	const { durationSeconds } = clip;
	const linkMs = pressed.answerMs + loadMs;
	return { ...pressed, tier: viewer.tier, linkMs, completeMs, durationSeconds, failures: [] };
}

async function measureFile(
	browser: Browser,
	httpUrl: string,
	viewer: ClipViewer,
	clip: MeasuredClip,
	settings: EncoderSettings,
): Promise<void> {
	const { url, bytes, exportMs, downloadMs } = await exportFile(httpUrl, viewer, clip.clipId);
	Object.assign(clip, { exportMs, downloadMs });
	const check = await withFile(bytes, checkClipFile);
	clip.failures.push(...check.failures);
	clip.file = describeFile(check, bytes.length, settings);
	clip.fileInChromium = await showFile(browser, url);
}

async function noteFailure(clip: MeasuredClip, act: () => Promise<void>): Promise<void> {
	try {
		await act();
	} catch (error) {
		clip.failures.push((error as Error).message);
	}
}

async function waitUntilComplete(
	httpUrl: string,
	{ clipId, pressedAtMs }: PressedClip,
): Promise<{ completeMs: number; clip: Clip }> {
	const endMs = systemClock.monotonicMs() + COMPLETE_DEADLINE_MS;
	let clip = await describeClip(httpUrl, clipId);
	while (!(await isClipComplete(httpUrl, clip))) {
		if (systemClock.monotonicMs() > endMs) {
			throw new Error(`The last picture of a clip was not recorded within ${COMPLETE_DEADLINE_MS} ms.`);
		}
		await sleep(systemClock, POLL_MS);
	}
	const completeMs = systemClock.nowMs() - pressedAtMs;
	// Its end may have moved by a picture.
	clip = await describeClip(httpUrl, clipId);
	return { completeMs, clip };
}

async function exportFile(
	httpUrl: string,
	viewer: ClipViewer,
	clipId: string,
): Promise<{ url: string; bytes: Uint8Array; exportMs: number; downloadMs: number }> {
	const startedMs = systemClock.monotonicMs();
	await viewer.requestExport(clipId);
	for (;;) {
		const { exportState, exportUrl } = await describeClip(httpUrl, clipId);
		const exportMs = systemClock.monotonicMs() - startedMs;
		if (exportUrl !== null) {
			const url = new URL(exportUrl, httpUrl).href;
			const bytes = await loadBytes(url);
			return { url, bytes, exportMs, downloadMs: systemClock.monotonicMs() - startedMs };
		}
		if (exportState === 'failed' || exportMs > EXPORT_DEADLINE_MS) {
			throw new Error(`The file of a clip is ${exportState} after ${exportMs.toFixed(0)} ms.`);
		}
		await sleep(systemClock, POLL_MS);
	}
}

async function withFile<Result>(bytes: Uint8Array, use: (file: string) => Promise<Result>): Promise<Result> {
	const folder = await mkdtemp(path.join(tmpdir(), 'spillway-clip-'));
	try {
		const file = path.join(folder, 'clip.mp4');
		await writeFile(file, bytes);
		return await use(file);
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}

function describeFile({ pictures }: ClipFileCheck, bytes: number, { frameRate }: EncoderSettings): ShownFile {
	const [first, last] = [pictures[0]!, pictures.at(-1)!];
	return {
		first: first.frameNumber,
		last: last.frameNumber,
		missing: last.frameNumber - first.frameNumber + 1 - pictures.length,
		capturedSeconds: (last.captureTimeMs - first.captureTimeMs) / 1000 + 1 / frameRate,
		bytes,
	};
}

/** What is not exact. */
function findFaults(clip: MeasuredClip, { frameRate }: EncoderSettings): string[] {
	const { onScreen, next, shownForMs, page, file, fileInChromium, durationSeconds } = clip;
	const faults: string[] = [];
	for (const [where, shown] of Object.entries({ page, file, 'file in Chromium': fileInChromium })) {
		if (shown !== undefined && shown.last !== onScreen) {
			faults.push(
				`the ${where} ends with ${shown.last}, and not with ${onScreen}, which had been on the screen for ` +
					`${shownForMs.toFixed(1)} ms, before ${next}`,
			);
		}
		if (shown !== undefined && file !== undefined && shown.first !== file.first) {
			faults.push(`the ${where} begins with ${shown.first}, the file with ${file.first}`);
		}
	}
	if (page !== undefined && page.strays.length > 0) {
		faults.push(`the page has also shown ${page.strays.join(', ')}, which are not in the clip`);
	}
	// A broadcast that is younger than a clip makes a shorter one.
	const isWhole = durationSeconds > NEW_CLIP_SECONDS - 1;
	if (fileInChromium !== undefined && Math.abs(fileInChromium.durationSeconds - durationSeconds) > DURATION_MARGIN) {
		faults.push(
			`Chromium says ${fileInChromium.durationSeconds.toFixed(3)} s, the API ${durationSeconds.toFixed(3)} s`,
		);
	}
	if (file !== undefined && file.missing !== 0) {
		faults.push(`${file.missing} pictures are not in the file`);
	}
	if (file !== undefined && isWhole && Math.abs(file.capturedSeconds - NEW_CLIP_SECONDS) > 1 / frameRate) {
		faults.push(`the file has ${file.capturedSeconds.toFixed(3)} s`);
	}
	return faults;
}

function oneLine(clip: MeasuredClip): string {
	const { tier, onScreen, next, shownForMs, answerMs, linkMs, completeMs, exportMs, downloadMs, page, file } = clip;
	return (
		`${tier}: ${onScreen} for ${shownForMs.toFixed(1)} ms, then ${next}; page ${page?.first} to ${page?.last}, file ` +
		`${file?.first} to ${file?.last}, ${file?.missing} missing; answer ${answerMs.toFixed(0)} ms, link ` +
		`${linkMs.toFixed(0)} ms, complete ${completeMs.toFixed(0)} ms, file ${figure(exportMs)} ms, here ` +
		`${figure(downloadMs)} ms; ${clip.failures.join('; ') || 'no failure'}`
	);
}

function formatClips({ publisher, clips: all, selfWatch }: ClipsRun): string {
	const rows = DELIVERY_TIERS.map((tier) => {
		const own = all.filter((clip) => clip.tier === tier);
		const exact = (isExact: (clip: MeasuredClip) => boolean): string =>
			`${own.filter(isExact).length} of ${own.length}`;
		return [
			...[publisher, tier],
			exact(({ page, onScreen }) => page?.last === onScreen),
			exact(({ file, fileInChromium, onScreen }) => file?.last === onScreen && fileInChromium?.last === onScreen),
			exact(({ page, file }) => page !== undefined && page.first === file?.first),
			...[(one: MeasuredClip) => one.answerMs, (one: MeasuredClip) => one.linkMs].map((read) => spread(own.map(read))),
			...[(one: MeasuredClip) => one.exportMs, (one: MeasuredClip) => one.downloadMs].map((read) =>
				spread(own.map(read)),
			),
			own.filter(({ failures }) => failures.length > 0).length,
		];
	});
	const table = markdownTable(
		[
			...['publisher', 'tier', 'page ends exactly', 'file ends exactly', 'begins of both are the same'],
			...['answer ms p50 / max', 'link ms p50 / max', 'file ready ms p50 / max', 'file here ms p50 / max'],
			'clips with a failure',
		],
		rows,
	);
	const failures = all.flatMap(({ tier, failures: own }) => own.map((line) => `- ${tier}: ${line}\n`));
	const { busyRatio, voidReasons } = selfWatch;
	const machine = `Machine busy: ${figure(busyRatio === undefined ? undefined : busyRatio * 100)} %. `;
	return [table, ...failures, `${machine}${voidReasons.join('; ')}\n`].join('\n');
}

/** p50 and maximum. */
function spread(values: ReadonlyArray<number | undefined>): string {
	const known = values.filter((value) => value !== undefined);
	return known.length === 0 ? '–' : `${figure(median(known))} / ${figure(Math.max(...known))}`;
}
