/** The WebRTC tier over a scripted PeerConnection. */
import { describe, expect, it } from 'vitest';
import { SOUND_LAG_MS } from '../../../../core/media/sound-lag.ts';
import { silentLogger } from '../../../../core/logger.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { SOUND_ADDED_EVENT } from './playback.ts';
import { ListedQualities, SOUND_ONLY, type Quality, type QualityPreference } from './quality.ts';
import { FakeVideo } from './testing/fake-video.ts';
import { createWebrtcPlayback, type WebrtcBrowser } from './webrtc-playback.ts';
import { ABS_CAPTURE_TIME_URI } from './whep-offer.ts';
import { ApiError } from '../../api/request.ts';

const PICTURE: Quality = { id: 'source', kind: 'picture', heightPixels: 720, frameRate: 30, isSource: true };

class FakeReceiver {
	readonly track: string;
	jitterBufferTarget: number | null = null;
	sources: object[] = [];
	readonly transport = { state: 'connected' };
	constructor(kind: string) {
		this.track = kind;
	}
	getSynchronizationSources(): object[] {
		return this.sources;
	}
}

class FakePeer extends EventTarget {
	readonly receivers: FakeReceiver[] = [];
	readonly log: string[];
	connectionState = 'new';
	refusesChangedOffers = false;
	localSdp = '';
	extensions: object[] = [];
	constructor(log: string[]) {
		super();
		this.log = log;
	}
	addTransceiver(kind: string) {
		const receiver = new FakeReceiver(kind);
		this.receivers.push(receiver);
		return {
			receiver,
			getHeaderExtensionsToNegotiate: () => [{ uri: ABS_CAPTURE_TIME_URI, direction: 'stopped' }],
			setHeaderExtensionsToNegotiate: (extensions: object[]) => (this.extensions = extensions),
		};
	}
	async createOffer() {
		return { type: 'offer', sdp: 'v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n' };
	}
	async setLocalDescription({ sdp }: { sdp: string }): Promise<void> {
		if (this.refusesChangedOffers && sdp.includes(ABS_CAPTURE_TIME_URI)) {
			throw new Error('InvalidModificationError');
		}
		this.localSdp = sdp;
	}
	async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
		this.log.push(`answered ${sdp}`);
	}
	getStats = async () => new Map();
	close(): void {
		this.log.push('close the peer');
	}
	become(state: string): void {
		this.connectionState = state;
		this.dispatchEvent(new Event('connectionstatechange'));
	}
}

class FakeStream {
	readonly tracks: string[] = [];
	addTrack(track: string): void {
		this.tracks.push(track);
	}
	getAudioTracks(): string[] {
		return this.tracks.filter((track) => track === 'audio');
	}
}

class StreamVideo extends FakeVideo {
	srcObject: FakeStream | null = null;
}

async function setUp({
	delayMs = 0,
	isAllowed = true,
	refusesChangedOffers = false,
	refusal = undefined as unknown,
	preference = undefined as QualityPreference,
} = {}) {
	const [clock, log, video] = [new FakeClock(), [] as string[], new StreamVideo()];
	const peers: FakePeer[] = [];
	const answer = Promise.withResolvers<{ answerSdp: string; sessionUrl: string }>();
	const browser = {
		createPeer() {
			if (!isAllowed) {
				return undefined;
			}
			peers.push(Object.assign(new FakePeer(log), { refusesChangedOffers }));
			return peers.at(-1);
		},
		createStream: () => new FakeStream(),
		async openSession(url: string, _offer: string, _signal: AbortSignal, viewerId?: string) {
			log.push(`offer to ${url} as ${viewerId}`);
			if (refusal !== undefined) {
				throw refusal;
			}
			return answer.promise;
		},
		closeSession: async (url: string) => void log.push(`end ${url}`),
	} as unknown as WebrtcBrowser;
	const qualities = new ListedQualities(preference);
	qualities.list([PICTURE, SOUND_ONLY], undefined);
	const playback = createWebrtcPlayback(
		{
			clock,
			logger: silentLogger,
			serverClock: { toServerMs: () => undefined, uncertaintyMs: undefined },
			isPageVisible: () => true,
			chance: () => 0,
			viewerId: () => 'viewer-1',
		},
		{ whepUrl: '/whep/a', delayMs, qualities },
		browser,
	);
	playback.start(video as unknown as HTMLVideoElement, 'live', 'one');
	await clock.advance(0);
	const accept = async (answerSdp = 'sdp'): Promise<void> => {
		answer.resolve({ answerSdp, sessionUrl: '/session/1' });
		await clock.advance(0);
	};
	return { clock, log, video, playback, peers, accept };
}

describe('a WebRTC playback', () => {
	it('offers to receive both tracks with capture times, and applies the answer', async () => {
		const { log, video, peers, accept } = await setUp();
		expect(video.srcObject!.tracks).toEqual(['video', 'audio']);
		expect(peers[0]!.localSdp).toContain(ABS_CAPTURE_TIME_URI);
		expect(peers[0]!.extensions).toEqual([{ uri: ABS_CAPTURE_TIME_URI, direction: 'sendrecv' }]);
		await accept();
		expect(log).toEqual(['offer to /whep/a as viewer-1', 'answered sdp']);
	});

	it('sends the browser’s own offer when the browser refuses a changed one', async () => {
		const { peers } = await setUp({ refusesChangedOffers: true });
		expect(peers[0]!.localSdp).toBe('v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n');
	});

	it('ends the session before the peer, and clears the element', async () => {
		const { log, video, playback, accept } = await setUp();
		await accept();
		playback.stop();
		await Promise.resolve();
		expect(log.slice(2)).toEqual(['end /session/1', 'close the peer']);
		expect([video.srcObject, playback.state]).toEqual([null, 'stopped']);
	});

	it('does not end a session that the server has ended, and connects again', async () => {
		const { log, clock, peers, accept } = await setUp();
		await accept();
		peers[0]!.receivers[0]!.transport.state = 'closed';
		await clock.advance(500);
		expect(peers).toHaveLength(1);
		peers[0]!.receivers[1]!.transport.state = 'closed';
		await clock.advance(500);
		expect(log.slice(2)).toEqual(['close the peer', 'offer to /whep/a as viewer-1', 'answered sdp']);
	});

	it.each([
		['connects again for another broadcast than that of its session', 'one', 2],
		['keeps a session that has already reached the new broadcast', 'two', 1],
	])('%s', async (_title, reached, peerCount) => {
		const { clock, peers, playback, accept } = await setUp();
		await accept(`a=msid:${reached} video\r\n`);
		playback.channelReported('live', 'two');
		await clock.advance(500);
		expect(peers).toHaveLength(peerCount);
	});

	it('ends a session whose answer arrives after the stop', async () => {
		const { log, playback, accept } = await setUp();
		playback.stop();
		await accept();
		expect(log).toContain('end /session/1');
		expect(log).not.toContain('answered sdp');
	});

	it('adds delayed sound after its delay, and notifies the element', async () => {
		const { clock, video, peers, accept } = await setUp({ delayMs: 600 });
		let added = 0;
		video.addEventListener(SOUND_ADDED_EVENT, () => added++);
		expect([video.srcObject!.tracks, peers[0]!.receivers[1]!.jitterBufferTarget]).toEqual([['video'], 600]);
		await accept();
		peers[0]!.become('connected');
		await clock.advance(590);
		expect(added).toBe(0);
		await clock.advance(20);
		expect([added, video.srcObject!.tracks]).toEqual([1, ['video', 'audio']]);
		peers[0]!.become('connected');
		await clock.advance(1000);
		expect(added).toBe(1);
	});

	it.each([
		['at once', 0, ['audio']],
		['after its delay', 600, undefined],
	])('plays the sound alone %s, and gets a picture when the viewer wants one', async (_when, delayMs, atFirst) => {
		const { clock, video, playback, peers, accept } = await setUp({ delayMs, preference: SOUND_ONLY });
		expect(playback.delay!.isSoundAlone).toBe(true);
		// An element without a track, or with a track of which nothing comes, does not play the sound either.
		expect(video.srcObject?.tracks).toEqual(atFirst);
		await accept();
		peers[0]!.become('connected');
		await clock.advance(1000);
		expect(video.srcObject!.tracks).toEqual(['audio']);
		playback.quality.prefer(undefined);
		await clock.advance(1000);
		expect([playback.delay!.isSoundAlone, video.srcObject!.tracks]).toEqual([false, ['audio', 'video']]);
		playback.quality.prefer(SOUND_ONLY);
		await clock.advance(1000);
		expect(video.srcObject!.tracks).toEqual(['audio', 'video']);
	});

	it('applies the delay target to this connection and to the next', async () => {
		const { clock, playback, peers, accept } = await setUp();
		await accept();
		playback.delay!.setTarget({ pictureMs: 300, soundMs: 400 });
		expect(peers[0]!.receivers.map(({ jitterBufferTarget }) => jitterBufferTarget)).toEqual([300, 400]);
		peers[0]!.become('failed');
		await clock.advance(500);
		expect(peers[1]!.receivers.map(({ jitterBufferTarget }) => jitterBufferTarget)).toEqual([300, 400]);
	});

	it('waits 3 s for a disconnected path', async () => {
		const { clock, playback, peers, accept } = await setUp();
		await accept();
		peers[0]!.become('connected');
		expect(playback.delay!.hasConnected).toBe(true);
		peers[0]!.become('disconnected');
		await clock.advance(2900);
		peers[0]!.become('connected');
		await clock.advance(1000);
		expect(peers).toHaveLength(1);
		peers[0]!.become('disconnected');
		await clock.advance(3100);
		expect(playback.error).toMatchObject({ kind: 'connection-lost', fatal: false });
		await clock.advance(500);
		expect(peers).toHaveLength(2);
	});

	it('reports a permanent refusal as fatal, and retries a temporary one', async () => {
		const forbidden = await setUp({ isAllowed: false });
		expect(forbidden.playback.error).toMatchObject({ kind: 'unsupported', fatal: true });
		const refused = await setUp({ refusal: new ApiError('SDP_OFFER_UNSUPPORTED', 'No.', 422) });
		expect([refused.playback.state, refused.playback.error?.fatal]).toEqual(['error', true]);
		const busy = await setUp({ refusal: new ApiError('SFU_UNAVAILABLE', 'Later.', 503) });
		await busy.clock.advance(500);
		expect([busy.playback.state, busy.peers.length]).toEqual(['connecting', 2]);
		const offline = await setUp({ refusal: new ApiError('CHANNEL_OFFLINE', 'Gone.', 404) });
		expect(offline.playback.state).toBe('offline');
	});

	it('reads when media were played last, and which sound plays', async () => {
		const { playback, peers } = await setUp();
		const [video, sound] = peers[0]!.receivers;
		expect([playback.delay!.lastMediaAtMs, playback.delay!.playedSound()]).toEqual([undefined, undefined]);
		video!.sources = [{ timestamp: performance.timeOrigin + 500 }];
		expect(playback.delay!.lastMediaAtMs).toBeCloseTo(500);
		// Milliseconds since 1900.
		const captureTimestamp = 2_208_988_800_000 + 1_700_000_000_000;
		sound!.sources = [
			{ timestamp: performance.timeOrigin + 700, rtpTimestamp: 1, captureTimestamp, senderCaptureTimeOffset: 0 },
		];
		expect(playback.delay!.lastMediaAtMs).toBeCloseTo(700);
		expect(playback.delay!.soundPlayedAtMs).toBeCloseTo(700);
		expect(playback.delay!.playedSound()!.captureTimeMs).toBeCloseTo(1_700_000_000_000 - SOUND_LAG_MS);
		sound!.sources = [];
		expect(playback.delay!.playedSound()).toBeUndefined();
	});
});
