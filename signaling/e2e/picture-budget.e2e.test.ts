/** A budget of bits through the whole server: real WebRTC viewers get smaller pictures, and nobody loses real time. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { ChannelDescription } from '../../core/protocol/api/channel-description.ts';
import type { ServerMessage, TierDecision, ViewerPicture } from '../../core/protocol/signaling/signaling-messages.ts';
import {
	ServerUnderTest,
	waitUntilLive,
	type ServerAddresses,
} from '../../loadtest/bench/measure/server-under-test.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { FrameReader, SignalingSocket } from '../../loadtest/clients/signaling/signaling-socket.ts';
import { WhepViewer } from '../../loadtest/clients/whep/whep-viewer.ts';
import { TEST_SETTINGS, type EncoderSettings } from '../../loadtest/source/encoder-settings.ts';
import { until } from '../testing/until.ts';

const SETTINGS: EncoderSettings = {
	...TEST_SETTINGS,
	widthPixels: 854,
	heightPixels: 480,
	videoBitrateBps: 3_000_000,
	gopSeconds: 1,
};
/** Three viewers of the source fit; two of them are admitted without rungs. */
const BUDGET_BPS = 8_500_000;
const ADMITTED = 2;
const CROWD = 5;

/** A viewer with a socket and a WHEP session. */
class RealViewer {
	readonly decisions: TierDecision[] = [];
	picture: ViewerPicture | undefined;
	heightPixels: number | undefined;
	lost: string | undefined;
	#whep: WhepViewer | undefined;
	readonly #socket: SignalingSocket;

	private constructor({ httpUrl, channel }: ServerAddresses) {
		this.#socket = new SignalingSocket({
			clock: systemClock,
			url: `${httpUrl.replace('http', 'ws')}/api/v1/signaling`,
			join: { type: 'join', protocol: 1, channel, canWebRtc: true, canHls: true, isPinnedToHls: false },
			reader: new FrameReader(),
			onMessage: (message) => this.#receive(message),
			onClosed: (code) => (this.lost = `the socket was closed with ${code}`),
		});
	}

	/** Resolves with the first picture of a viewer in real time. */
	static async join(addresses: ServerAddresses): Promise<RealViewer> {
		const viewer = new RealViewer(addresses);
		const { decision, viewerId } = await viewer.#socket.open();
		viewer.decisions.push(decision);
		if (decision.tier === 'webrtc') {
			viewer.#whep = new WhepViewer({
				clock: systemClock,
				url: new URL(`/whep/${addresses.channel}`, addresses.httpUrl).href,
				clockOffsetMs: 0,
				portMap: {},
				viewerId,
				figures: {
					latency: () => undefined,
					freeze: () => undefined,
					jitter: () => undefined,
					authenticationFailed: () => undefined,
					pictureSize: (size) => (viewer.heightPixels = size.heightPixels),
				},
				onLost: (reason) => (viewer.lost = reason),
			});
			await viewer.#whep.start();
		}
		return viewer;
	}

	get tier(): string {
		return this.decisions.at(-1)!.tier;
	}

	get shown(): [string | null | undefined, string | null | undefined] {
		return [this.picture?.shown, this.picture?.limitedBy];
	}

	async leave(): Promise<void> {
		this.#socket.close();
		await this.#whep?.close();
	}

	#receive(message: ServerMessage): void {
		if (message.type === 'tier') {
			this.decisions.push(message.decision);
		} else if (message.type === 'picture') {
			const { type: _type, ...picture } = message;
			this.picture = picture;
		}
	}
}

describe('a budget of bits for viewers in real time', () => {
	let server: ServerUnderTest;
	const viewers: RealViewer[] = [];

	beforeAll(async () => {
		server = await ServerUnderTest.start({
			SPILLWAY_INGEST_LADDER: '360p30',
			SPILLWAY_SFU_MAX_BITRATE_BPS: String(BUDGET_BPS),
		});
	});

	afterAll(async () => {
		await Promise.all(viewers.map((viewer) => viewer.leave()));
		await server.stop();
	});

	const text = async (address: string): Promise<string> =>
		(await fetch(new URL(address, server.addresses.httpUrl), { signal: AbortSignal.timeout(10_000) })).text();
	/** The sum over its labels. */
	const metric = async (name: string): Promise<number> =>
		(await text('/metrics'))
			.split('\n')
			.filter((line) => line.startsWith(name))
			.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
	const join = async (count: number): Promise<void> => {
		for (let index = 0; index < count; index++) {
			viewers.push(await RealViewer.join(server.addresses));
		}
	};
	const allShow = (shown: string, limitedBy: string | null): Promise<void> =>
		until(
			() => viewers.every((viewer) => viewer.shown[0] === shown && viewer.shown[1] === limitedBy),
			`${shown} for all`,
		);

	it('holds more of them with smaller pictures, and the source comes back when the crowd has gone', async () => {
		const publisher = createPublisher('rtmp', SETTINGS, server.addresses);
		try {
			await publisher.start();
			await waitUntilLive(server.addresses);
			const isRunning = async (): Promise<boolean> =>
				(JSON.parse(await text('/api/v1/channels/demo')) as ChannelDescription).ladder?.rungs[0]?.state === 'running';
			await until(isRunning, 'a running rung');
			await join(ADMITTED);
			await allShow('source', null);
			const sourceBps = await metric('spillway_publishers_bitrate_bps');
			expect(Math.floor(BUDGET_BPS / sourceBps)).toBe(ADMITTED + 1);
			await join(CROWD - ADMITTED);
			await allShow('360p30', 'seats');
			await until(() => viewers.every(({ heightPixels }) => heightPixels === 360), 'small pictures');
			expect(viewers.map(({ tier }) => tier)).toEqual(Array(CROWD).fill('webrtc'));
			await until(async () => (await metric('spillway_sfu_sent_bitrate_bps')) < BUDGET_BPS, 'bits within the budget');
			await Promise.all(viewers.splice(ADMITTED).map((viewer) => viewer.leave()));
			await allShow('source', null);
			await until(() => viewers.every(({ heightPixels }) => heightPixels === 480), 'large pictures');
			expect(viewers.map(({ decisions, lost }) => [decisions.length, lost])).toEqual([
				[1, undefined],
				[1, undefined],
			]);
		} finally {
			await publisher.stop();
		}
	});
});
