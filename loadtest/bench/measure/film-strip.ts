/** Records the pictures of a page with the product's player, and lays those around a hand-over side by side. */
import type { Page } from 'playwright-core';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

const WIDTH_PIXELS = 320;
const HEIGHT_PIXELS = 180;
const COLUMNS = 4;
const ROWS = 3;
/** Screen refreshes, 60 a second, between two pictures of the strip: one picture of the source at 30 a second. */
const STEP = 2;
const MAX_FILMED = 240;

// Text, because this program is compiled without a browser's types.
const START = `(() => {
	const film = [];
	globalThis.spillwayFilm = film;
	const shoot = () => {
		if (globalThis.spillwayFilm !== film) return;
		const canvas = new OffscreenCanvas(${WIDTH_PIXELS}, ${HEIGHT_PIXELS});
		const context = canvas.getContext('2d');
		const tiers = [];
		for (const video of document.querySelectorAll('video[data-tier]')) {
			const opacity = Number(getComputedStyle(video).opacity);
			if (opacity > 0 && video.readyState >= 2) {
				context.globalAlpha = opacity;
				context.drawImage(video, 0, 0, ${WIDTH_PIXELS}, ${HEIGHT_PIXELS});
				tiers.push(video.dataset.tier + (opacity < 1 ? ' at ' + Math.round(opacity * 100) + ' %' : ''));
			}
		}
		film.push({ atMs: performance.now(), canvas, tiers: tiers.join(' + ') });
		film.splice(0, film.length - ${MAX_FILMED});
		requestAnimationFrame(shoot);
	};
	requestAnimationFrame(shoot);
})()`;

export async function startFilm(page: Page): Promise<void> {
	await page.evaluate(START);
}

/** Ends filming. Resolves with a JPEG of the pictures around the newest change to that tier, if there is one. */
export async function developFilmStrip(page: Page, to: DeliveryTier): Promise<Buffer | undefined> {
	const dataUrl = await page.evaluate<string | null>(`(() => {
		const film = globalThis.spillwayFilm.splice(0);
		globalThis.spillwayFilm = undefined;
		const isThere = ({ tiers }) => tiers.includes('${to}');
		const at = film.findLastIndex((shot, index) => index > 0 && isThere(shot) && !isThere(film[index - 1]));
		if (at < 0) return null;
		const [columns, rows, label] = [${COLUMNS}, ${ROWS}, 22];
		const canvas = document.createElement('canvas');
		canvas.width = columns * ${WIDTH_PIXELS};
		canvas.height = rows * (${HEIGHT_PIXELS} + label);
		const context = canvas.getContext('2d');
		context.fillStyle = '#111';
		context.fillRect(0, 0, canvas.width, canvas.height);
		context.font = '14px sans-serif';
		for (let place = 0; place < columns * rows; place++) {
			const shot = film[at + (place - columns * rows / 2) * ${STEP}];
			if (shot === undefined) continue;
			const x = (place % columns) * ${WIDTH_PIXELS};
			const y = Math.floor(place / columns) * (${HEIGHT_PIXELS} + label);
			context.drawImage(shot.canvas, x, y);
			context.fillStyle = isThere(shot) ? '#7fd1ff' : '#ffd27f';
			context.fillText(Math.round(shot.atMs - film[at].atMs) + ' ms: ' + shot.tiers, x + 6, y + ${HEIGHT_PIXELS} + 16);
		}
		return canvas.toDataURL('image/jpeg', 0.8);
	})()`);
	return dataUrl === null ? undefined : Buffer.from(dataUrl.slice(dataUrl.indexOf(',') + 1), 'base64');
}
