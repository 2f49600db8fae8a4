/**
 * The viewer's choice of quality, over the storage of a happy-dom page.
 * @vitest-environment happy-dom
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PictureWish, ViewerPicture } from '../../../core/protocol/signaling/signaling-messages.ts';
import { QualityChoice, shownRung } from './quality-choice.ts';
import { qualityName, SOUND_ONLY, type Quality } from './playback/quality.ts';

const VIDEO = { codec: 'h264', widthPixels: 1920, heightPixels: 1080, frameRate: 60 };
const AUDIO_LEG = { track: 'audio', tier: 'webrtc', mode: 'pass-through', reason: '' } as const;
const PICTURE: ViewerPicture = {
	rungs: [
		{ rung: '360p30', widthPixels: 640, heightPixels: 360, frameRate: 30 },
		{ rung: '720p60', widthPixels: 1280, heightPixels: 720, frameRate: 60 },
		{ rung: 'source', widthPixels: 1920, heightPixels: 1080, frameRate: 60 },
	],
	shown: '720p60',
	limitedBy: 'line',
};
const HLS: Quality = { id: 'https://a.test/v3', kind: 'picture', heightPixels: 360, frameRate: 30, isSource: false };

function setUp() {
	const choice = new QualityChoice();
	const wishes: PictureWish[] = [];
	choice.start((wish) => wishes.push(wish));
	return { choice, wishes };
}

/** Knows the channel before it may send, as in a player. */
function setUpAfter(chosen: Quality) {
	setUp().choice.choose(chosen);
	const choice = new QualityChoice();
	choice.channelReported({ video: VIDEO, legs: [AUDIO_LEG] });
	const wishes: PictureWish[] = [];
	choice.start((wish) => wishes.push(wish));
	return { choice, wishes };
}

describe('QualityChoice', () => {
	beforeEach(() => localStorage.clear());

	it('lists the publisher’s picture until the server reports what it sends', () => {
		const { choice } = setUp();
		choice.channelReported({ video: null, legs: [] });
		expect(choice.webrtc.qualities).toEqual([]);
		choice.channelReported({ video: VIDEO, legs: [] });
		expect(choice.webrtc.qualities).toMatchObject([{ id: 'source', heightPixels: 1080, frameRate: 60 }]);
		choice.pictureReported(PICTURE);
		choice.channelReported({ video: VIDEO, legs: [] });
		expect(choice.webrtc.qualities.map(({ id }) => id)).toEqual(['source', '720p60', '360p30']);
		expect(choice.webrtc.shownQuality?.id).toBe('720p60');
	});

	it('is sound alone, with nothing to choose, while the broadcast has no picture', () => {
		const { choice } = setUp();
		choice.channelReported({ video: null, legs: [AUDIO_LEG] });
		choice.pictureReported({
			rungs: [{ ...PICTURE.rungs[2]!, widthPixels: 0, heightPixels: 0 }],
			shown: null,
			limitedBy: null,
		});
		expect([choice.webrtc.qualities, choice.webrtc.shownQuality]).toEqual([[], SOUND_ONLY]);
		choice.channelReported({ video: VIDEO, legs: [AUDIO_LEG] });
		choice.pictureReported(PICTURE);
		expect(choice.webrtc.shownQuality?.id).toBe('720p60');
	});

	it('asks the server for what was chosen in either tier, and for the size on the screen', () => {
		const { choice, wishes } = setUp();
		choice.screenChanged({ widthPixels: 1600, heightPixels: 700 });
		choice.pictureReported(PICTURE);
		choice.choose(HLS);
		choice.choose(HLS);
		choice.screenChanged({ widthPixels: 1600, heightPixels: 900 });
		choice.choose(undefined);
		expect(wishes).toEqual([
			{ heightPixels: 700 },
			{ rung: '360p30', heightPixels: 700 },
			{ rung: '360p30', heightPixels: 900 },
			{ heightPixels: 900 },
		]);
	});

	it('names upright pictures by their shorter side, as LL-HLS does', () => {
		const { choice, wishes } = setUp();
		choice.channelReported({ video: { ...VIDEO, widthPixels: 1080, heightPixels: 1920 }, legs: [] });
		expect(choice.webrtc.qualities.map(qualityName)).toEqual(['1080p60']);
		const rungs = PICTURE.rungs.map(({ widthPixels, heightPixels, ...rung }) => {
			return { ...rung, widthPixels: heightPixels, heightPixels: widthPixels };
		});
		choice.pictureReported({ ...PICTURE, rungs });
		expect(choice.webrtc.qualities.map(qualityName)).toEqual(['1080p60', '720p60', '360p']);
		choice.choose(choice.webrtc.qualities[2]);
		expect(choice.preference).toMatchObject({ heightPixels: 360 });
		expect(wishes).toEqual([{ rung: '360p30' }]);
	});

	it.each([
		['lying in a lying place', 1920, 1080, 1280, 720, 720],
		['lying in an upright place', 1920, 1080, 1080, 2400, 608],
		['upright in a lying place', 1080, 1920, 1280, 720, 720],
		['upright in an upright place', 1080, 1920, 1080, 2400, 1920],
	])(
		'wishes for the height of the picture on the screen: %s',
		(_name, width, height, placeWidth, placeHeight, wished) => {
			const { choice, wishes } = setUp();
			choice.screenChanged({ widthPixels: placeWidth, heightPixels: placeHeight });
			const source = { rung: 'source', widthPixels: width, heightPixels: height, frameRate: 60 } as const;
			choice.pictureReported({
				...PICTURE,
				rungs: [{ ...source, rung: '360p30', widthPixels: 0, heightPixels: 0 }, source],
			});
			expect(wishes.at(-1)).toEqual({ heightPixels: wished });
		},
	);

	it('has the sound alone, for which it asks for no picture', () => {
		const { choice, wishes } = setUp();
		choice.channelReported({ video: VIDEO, legs: [AUDIO_LEG] });
		choice.pictureReported(PICTURE);
		const soundOnly = choice.webrtc.qualities.at(-1)!;
		expect(soundOnly.kind).toBe('sound-only');
		choice.choose(soundOnly);
		expect(choice.webrtc.shownQuality).toEqual(soundOnly);
		choice.choose(undefined);
		expect(choice.webrtc.shownQuality?.id).toBe('720p60');
		expect(wishes).toEqual([{ rung: 'audio' }, {}]);
		expect(setUpAfter(SOUND_ONLY).wishes).toEqual([{ rung: 'audio' }]);
	});

	it('remembers the choice for other channels', () => {
		setUp().choice.choose(HLS);
		const { choice, wishes } = setUp();
		expect(choice.preference).toEqual({ kind: 'picture', heightPixels: 360, frameRate: 30, isSource: false });
		choice.pictureReported(PICTURE);
		expect(wishes).toEqual([{ rung: '360p30' }]);
		choice.choose(undefined);
		expect(setUp().choice.preference).toBeUndefined();
	});
});

describe('shownRung', () => {
	it('names what plays over LL-HLS as the server does', () => {
		expect(shownRung(HLS)).toBe('360p30');
		expect(shownRung({ ...HLS, isSource: true })).toBe('source');
		expect(shownRung({ ...HLS, heightPixels: 432 })).toBeUndefined();
		expect(shownRung({ ...HLS, kind: 'sound-only' })).toBeUndefined();
		expect(shownRung(undefined)).toBeUndefined();
	});
});
