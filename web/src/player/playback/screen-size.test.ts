/**
 * The size of a video element in a happy-dom page.
 * @vitest-environment happy-dom
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ScreenSize } from './screen-size.ts';

let report: ((width: number, height: number) => void) | undefined;

class FakeObserver {
	constructor(callback: (entries: { contentRect: { width: number; height: number } }[]) => void) {
		report = (width, height) => callback([{ contentRect: { width, height } }]);
	}
	observe(): void {}
	disconnect(): void {
		report = undefined;
	}
}

describe('ScreenSize', () => {
	beforeEach(() => {
		vi.stubGlobal('ResizeObserver', FakeObserver);
		vi.stubGlobal('devicePixelRatio', 1);
	});
	afterEach(() => vi.unstubAllGlobals());

	it('is unknown until the element is laid out, and follows it', () => {
		const size = new ScreenSize(document.createElement('video'));
		expect(size.pixels).toBeUndefined();
		report!(640, 360);
		expect(size.pixels).toEqual({ width: 640, height: 360 });
		report!(0, 0);
		expect(size.pixels).toBeUndefined();
		size.close();
		expect(report).toBeUndefined();
	});

	it.each([
		[1.5, 960],
		[2, 1280],
		[3, 1280],
	])('counts device pixels, up to twice as many (%f)', (ratio, width) => {
		vi.stubGlobal('devicePixelRatio', ratio);
		const size = new ScreenSize(document.createElement('video'));
		report!(640, 360);
		expect(size.pixels?.width).toBe(width);
	});

	it('is that of the window in picture-in-picture', () => {
		const video = document.createElement('video');
		const size = new ScreenSize(video);
		report!(640, 360);
		const window = { width: 320, height: 180 };
		video.dispatchEvent(Object.assign(new Event('enterpictureinpicture'), { pictureInPictureWindow: window }));
		expect(size.pixels?.width).toBe(320);
		window.width = 400;
		expect(size.pixels?.width).toBe(400);
		video.dispatchEvent(new Event('leavepictureinpicture'));
		expect(size.pixels?.width).toBe(640);
	});
});
