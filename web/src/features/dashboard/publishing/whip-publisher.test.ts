/** Publishing over a scripted PeerConnection and server. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../../core/testing/fake-clock.ts';
import { orderVideoCodecs, WhipPublisher, type WhipBrowser } from './whip-publisher.ts';
import { ApiError } from '../../../api/request.ts';

class FakePeer {
	iceGatheringState = 'new';
	connectionState = 'new';
	onconnectionstatechange: (() => void) | null = null;
	onicegatheringstatechange: (() => void) | null = null;
	readonly log: string[];
	readonly parameters: object[] = [];
	stats = new Map<string, object>();
	localDescription: { sdp: string } | undefined;

	constructor(log: string[]) {
		this.log = log;
	}
	addTransceiver({ kind }: { kind: string }, { sendEncodings }: { sendEncodings: Array<{ maxBitrate: number }> }) {
		this.log.push(`send ${kind} at ${sendEncodings[0]!.maxBitrate}`);
		return {
			setCodecPreferences: (codecs: Array<{ mimeType: string }>) => this.log.push(`prefer ${codecs[0]!.mimeType}`),
			sender: {
				getParameters: () => ({ encodings: [] }),
				setParameters: async (parameters: object) => void this.parameters.push(parameters),
			},
		};
	}
	async setLocalDescription(): Promise<void> {
		this.localDescription = { sdp: 'offer' };
	}
	async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
		this.log.push(`answered ${sdp}`);
	}
	getStats = async () => this.stats;
	close(): void {
		this.log.push('close the peer');
	}
	gather(): void {
		this.iceGatheringState = 'complete';
		this.onicegatheringstatechange?.();
	}
	become(state: string): void {
		this.connectionState = state;
		this.onconnectionstatechange?.();
	}
}

function setUp(answer: (attempt: number) => Promise<string> = async () => 'answer') {
	const [clock, log, peers, states] = [new FakeClock(), [] as string[], [] as FakePeer[], [] as string[]];
	let attempt = 0;
	const browser = {
		createPeer() {
			peers.push(new FakePeer(log));
			return peers.at(-1);
		},
		videoCodecs: () => [{ mimeType: 'video/H264', clockRate: 90_000, sdpFmtpLine: 'profile-level-id=42e01f' }],
		async request(url: string, { headers, body }: RequestInit) {
			log.push(`post ${String(body)} to ${url} with ${(headers as Record<string, string>)['authorization']}`);
			const sdp = await answer(++attempt);
			const location = new Headers({ location: `/whip/session-${attempt}` });
			return { headers: location, url: 'http://server/whip', text: async () => sdp };
		},
		sendLast: async (url: string, { method }: RequestInit) => void log.push(`${method} ${url}`),
	} as unknown as WhipBrowser;
	const stream = { getTracks: () => [{ kind: 'video' }, { kind: 'audio' }] } as unknown as MediaStream;
	const publisher = new WhipPublisher({ clock, browser }, { stream, whipUrl: '/whip', streamKey: 'key' });
	publisher.on('stateChanged', (state) => states.push(state));
	publisher.on('failed', (detail) => states.push(`failed: ${detail}`));
	publisher.start();
	async function offer(): Promise<FakePeer> {
		await clock.advance(0);
		peers.at(-1)!.gather();
		await clock.advance(0);
		return peers.at(-1)!;
	}
	return { clock, log, peers, states, publisher, offer };
}

describe('WhipPublisher', () => {
	it('offers both tracks with its key, and is live when connected', async () => {
		const { log, states, publisher, offer } = setUp();
		const peer = await offer();
		expect(log).toEqual([
			'send video at 4000000',
			'prefer video/H264',
			'send audio at 128000',
			'post offer to /whip with Bearer key',
			'answered answer',
		]);
		expect(peer.parameters).toEqual([{ encodings: [], degradationPreference: 'maintain-resolution' }]);
		peer.become('connected');
		expect([states, publisher.state]).toEqual([['live'], 'live']);
	});

	it('does not wait for a slow STUN server', async () => {
		const { clock, log } = setUp();
		await clock.advance(1400);
		expect(log.some((line) => line.startsWith('post'))).toBe(false);
		await clock.advance(200);
		expect(log).toContain('answered answer');
	});

	it('ends the session at the server once, also when its answer is under way', async () => {
		const { log, states, publisher, offer } = setUp();
		await offer();
		publisher.stop();
		publisher.stop();
		expect(log.slice(-2)).toEqual(['close the peer', 'DELETE http://server/whip/session-1']);
		expect(states).toEqual(['stopped']);
		const answer = Promise.withResolvers<string>();
		const late = setUp(() => answer.promise);
		await late.offer();
		late.publisher.stop();
		answer.resolve('answer');
		await late.clock.advance(0);
		expect(late.log.slice(-2)).toEqual(['close the peer', 'DELETE http://server/whip/session-1']);
		expect(late.log).not.toContain('answered answer');
	});

	it('reconnects at once after a failure, and after 3 s of disconnection', async () => {
		const { clock, peers, states, offer } = setUp();
		(await offer()).become('connected');
		peers[0]!.become('disconnected');
		await clock.advance(2900);
		peers[0]!.become('connected');
		await clock.advance(5000);
		expect([states, peers.length]).toEqual([['live'], 1]);
		peers[0]!.become('disconnected');
		await clock.advance(3100);
		expect(states).toEqual(['live', 'reconnecting']);
		await clock.advance(500);
		(await offer()).become('connected');
		peers[1]!.become('failed');
		await clock.advance(600);
		expect([peers.length, states]).toEqual([3, ['live', 'reconnecting', 'live', 'reconnecting']]);
	});

	it('gives up after seven attempts with the reason', async () => {
		const { clock, peers, states } = setUp(() => Promise.reject(new ApiError('UNREACHABLE', 'Away.', 0)));
		await clock.advance(120_000);
		expect([peers.length, states]).toEqual([8, ['reconnecting', 'stopped', 'failed: Away.']]);
	});

	it('gives up at once after a permanent refusal, and waits for Retry-After', async () => {
		const refused = setUp(() => Promise.reject(new ApiError('STREAM_KEY_INVALID', 'No.', 401)));
		await refused.offer();
		expect(refused.states).toEqual(['stopped', 'failed: No.']);
		const busy = setUp(async (attempt) => {
			if (attempt === 1) {
				throw new ApiError('TOO_MANY_ATTEMPTS', 'Later.', 429, 20);
			}
			return 'answer';
		});
		await busy.offer();
		await busy.clock.advance(19_900);
		expect(busy.peers).toHaveLength(1);
		await busy.clock.advance(200);
		expect(busy.peers).toHaveLength(2);
	});

	it('gives up an attempt after 12 s', async () => {
		const { clock, states, offer } = setUp();
		await offer();
		await clock.advance(12_100);
		expect(states).toEqual(['reconnecting']);
	});

	it('measures what is sent from one reading to the next', async () => {
		const { clock, publisher, offer } = setUp();
		const peer = await offer();
		expect(await publisher.reading()).toMatchObject({ bitrateBps: undefined, codec: undefined });
		const sent = { type: 'outbound-rtp', kind: 'video', codecId: 'c', framesPerSecond: 30, frameWidth: 640 };
		peer.stats = new Map<string, object>([
			['v', { ...sent, frameHeight: 360, bytesSent: 1000, qualityLimitationReason: 'none' }],
			['c', { mimeType: 'video/H264' }],
		]);
		expect(await publisher.reading()).toMatchObject({ bitrateBps: undefined, codec: 'H264', frameRate: 30 });
		await clock.advance(1000);
		peer.stats.set('v', { ...sent, frameHeight: 360, bytesSent: 126_000, qualityLimitationReason: 'cpu' });
		expect(await publisher.reading()).toMatchObject({ bitrateBps: 1_000_000, limitedBy: 'cpu', heightPixels: 360 });
	});
});

describe('orderVideoCodecs', () => {
	it('orders the codecs that Chromium offers', () => {
		const codecs = [
			{ mimeType: 'video/VP8' },
			{ mimeType: 'video/rtx' },
			{ mimeType: 'video/VP9', sdpFmtpLine: 'profile-id=0' },
			{ mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=0;profile-level-id=42e01f' },
			{ mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=4d001f' },
			{ mimeType: 'video/H264', sdpFmtpLine: 'packetization-mode=1;profile-level-id=42e01f' },
			{ mimeType: 'video/AV1' },
		];
		expect(orderVideoCodecs(codecs)).toEqual([codecs[5], codecs[4], codecs[3], codecs[0], codecs[1]]);
	});

	it('offers VP8 without H.264', () => {
		expect(orderVideoCodecs([{ mimeType: 'video/VP9' }, { mimeType: 'video/VP8' }])).toEqual([
			{ mimeType: 'video/VP8' },
		]);
	});
});
