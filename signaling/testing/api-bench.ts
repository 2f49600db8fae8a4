/** The API without media for tests: real database and routes, a fake registry, requests by inject(). */
import { tmpdir } from 'node:os';
import type { TObject } from 'typebox';
import fastify, { type FastifyInstance, type FastifyPluginAsync, type LightMyRequestResponse } from 'fastify';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { createId, type BroadcastId, type ChannelId, type ChannelName } from '../../core/ids.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { VideoVisibility } from '../../core/protocol/api/video.ts';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import { createAccounts, type Accounts } from '../accounts/create-accounts.ts';
import type { UserRole } from '../../core/protocol/api/account.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import type { MessageBus } from '../platform/bus/message-bus.ts';
import { createChannels, type Channels } from '../channels/create-channels.ts';
import { createPublishing, type Publishing } from '../publishing/create-publishing.ts';
import { registerWebSockets } from '../audience/socket/signaling-routes.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import type { JobKind, JobRun, Jobs, JobWork } from '../platform/jobs/jobs.ts';
import { createChat, type Chat } from '../chat/create-chat.ts';
import { createClips } from '../clips/create-clips.ts';
import { createVideos, type Videos } from '../videos/create-videos.ts';
import type { VideoStore } from '../videos/video-store.ts';
import { registerErrorHandler } from '../platform/http/error-handler.ts';
import { openApiRoutes, registerOpenApi } from '../operations/openapi.ts';
import { Announcements } from '../platform/cluster/announcements.ts';
import { createNodeIdentity } from '../platform/cluster/node-identity.ts';
import { requestLimits } from '../platform/http/request-limits.ts';
import { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import { recordRuns, TEST_VIDEO_ID, type TestRecording } from '../../packager/pictures/testing/recorded-video.ts';
import { MemoryStore } from '../../packager/testing/memory-store.ts';
import { SIMULATED_VIDEO, simulatedAudio, simulateRun } from '../../packager/testing/simulated-source.ts';
import { SocketAdmission } from '../platform/sockets/socket-admission.ts';

/** The password of every test account. */
export const TEST_PASSWORD = 'correct horse battery';

/** The part of a broadcast that the API uses. */
export type FakeBroadcast = {
	channelName: ChannelName;
	id: string;
	state: 'live' | 'ended';
	startedAt: number;
	graceWindowMs: number | undefined;
	ladderChoice: LadderChoice | undefined;
	endReason: string | undefined;
	publisher?: { protocol: 'rtmp'; encoderName: undefined; remoteAddress: string };
	setGraceWindow(graceWindowMs: number): void;
	close(reason: string): Promise<void>;
};

/** Records the calls. */
export class FakeRegistry {
	readonly live = new Map<string, FakeBroadcast>();
	readonly revokedKeyIds: string[] = [];

	start(channelName: string): FakeBroadcast {
		const broadcast: FakeBroadcast = {
			channelName: channelName as ChannelName,
			id: '01broadcast',
			state: 'live',
			startedAt: 0,
			graceWindowMs: undefined,
			ladderChoice: undefined,
			endReason: undefined,
			publisher: { protocol: 'rtmp', encoderName: undefined, remoteAddress: '192.0.2.9' },
			setGraceWindow(graceWindowMs) {
				broadcast.graceWindowMs = graceWindowMs;
			},
			close: async (reason) => {
				broadcast.endReason = reason;
				broadcast.state = 'ended';
			},
		};
		this.live.set(channelName, broadcast);
		return broadcast;
	}

	/** The fake as the API's registry. */
	get registry(): BroadcastRegistry {
		const { live, revokedKeyIds } = this;
		return {
			find: (name: string) => live.get(name),
			lastReport: () => undefined,
			get broadcasts() {
				return [...live.values()];
			},
			lastRefusal: () => undefined,
			on: () => () => undefined,
			revokeStreamKey: (id: string) => revokedKeyIds.push(id),
		} as unknown as BroadcastRegistry;
	}
}

/** A browser with cookies and an address. */
export class TestBrowser {
	readonly cookies = new Map<string, string>();
	readonly address: string;
	readonly #app: FastifyInstance;

	constructor(app: FastifyInstance, address: string) {
		this.#app = app;
		this.address = address;
	}

	/** Sends a request as a page of the product does, and keeps the cookies of the answer. */
	async send(
		method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
		url: string,
		body?: object,
		headers: Record<string, string> = { 'x-spillway-csrf': '1' },
	): Promise<LightMyRequestResponse> {
		const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
		const response = await this.#app.inject({
			method,
			url,
			remoteAddress: this.address,
			headers: { ...headers, ...(cookie === '' ? {} : { cookie }) },
			...(body === undefined ? {} : { payload: body }),
		});
		for (const { name, value } of response.cookies) {
			if (value === '') {
				this.cookies.delete(name);
			} else {
				this.cookies.set(name, value);
			}
		}
		return response;
	}
}

/** Jobs that are done when a test runs them. */
class HeldJobs implements Pick<Jobs, 'define' | 'every' | 'add'> {
	readonly #works = new Map<string, (data: object, run: JobRun) => Promise<void>>();
	readonly #added: { kind: string; data: object }[] = [];

	define<Data extends TObject>({ name }: JobKind<Data>, work: JobWork<Data>): void {
		this.#works.set(name, work as (data: object, run: JobRun) => Promise<void>);
	}

	every(): void {
		// Tests do periodic work with run().
	}

	async add(_handle: Queryable, { name }: JobKind, data: object): Promise<boolean> {
		this.#added.push({ kind: name, data });
		return true;
	}

	/** Does all jobs of a kind that were added, or one with that data. */
	async run(kind: string, data?: object): Promise<void> {
		const due = data === undefined ? this.#added.filter((job) => job.kind === kind) : [{ kind, data }];
		for (const job of due) {
			this.#added.splice(this.#added.indexOf(job), this.#added.includes(job) ? 1 : 0);
			await this.#works.get(kind)!(job.data, { id: '1', attempt: 1, signal: new AbortController().signal });
		}
	}
}

type Parts = Pick<
	ApiBench,
	| 'app'
	| 'clock'
	| 'logger'
	| 'accounts'
	| 'channels'
	| 'publishing'
	| 'videos'
	| 'videoStore'
	| 'objects'
	| 'jobs'
	| 'chat'
	| 'fakeRegistry'
	| 'viewerCounts'
>;

export class ApiBench {
	readonly app: FastifyInstance;
	readonly clock: FakeClock;
	readonly logger: RecordingLogger;
	readonly accounts: Accounts;
	readonly channels: Channels;
	readonly publishing: Publishing;
	readonly videos: Videos;
	readonly videoStore: VideoStore;
	/** What recordings are stored in. */
	readonly objects: MemoryStore;
	readonly jobs: HeldJobs;
	readonly chat: Chat;
	readonly fakeRegistry: FakeRegistry;
	/** Viewer counts by channel name. */
	readonly viewerCounts: Map<string, number>;
	#browserCount = 0;

	private constructor(parts: Parts) {
		this.app = parts.app;
		this.clock = parts.clock;
		this.logger = parts.logger;
		this.accounts = parts.accounts;
		this.channels = parts.channels;
		this.publishing = parts.publishing;
		this.videos = parts.videos;
		this.videoStore = parts.videoStore;
		this.objects = parts.objects;
		this.jobs = parts.jobs;
		this.chat = parts.chat;
		this.fakeRegistry = parts.fakeRegistry;
		this.viewerCounts = parts.viewerCounts;
	}

	/** `database` must be migrated. Two benches with one `bus` act as two servers. */
	static async open(
		database: Database,
		options: {
			bus?: MessageBus;
			channelsPerUser?: number;
			isSecure?: boolean;
			isSignUpOpen?: boolean;
			clipsPerDay?: number;
			/** A real one, for tests of broadcasts. */
			registry?: BroadcastRegistry;
		} = {},
	): Promise<ApiBench> {
		const [clock, logger, fakeRegistry] = [new FakeClock(), new RecordingLogger(), new FakeRegistry()];
		const serverSecret = new Uint8Array(32).fill(7);
		const bus = options.bus ?? new InProcessBus({ clock: systemClock, logger });
		const node = createNodeIdentity();
		const announcements = new Announcements({ ...node, bus, clock, logger });
		const common = { ...node, clock, logger, database, bus, announcements };
		const accounts = await createAccounts(
			{ ...common, serverSecret },
			{
				isSecure: options.isSecure ?? false,
				publicUrl: 'https://live.example.org',
				isSignUpOpen: options.isSignUpOpen ?? true,
			},
		);
		const admission = new SocketAdmission({ maxSockets: 100, maxSocketsPerAddress: 100 });
		const viewerCounts = new Map<string, number>();
		const viewerCount = (name: string): number => viewerCounts.get(name) ?? 0;
		const registry = options.registry ?? fakeRegistry.registry;
		const channels = await createChannels(
			{ ...common, registry, accounts, viewerCount, mediaFacts: () => ({ hasStill: false, canBeClipped: false }) },
			{ channelsPerUser: options.channelsPerUser ?? 5, defaultGraceWindowSeconds: 60, serverLadderChoice: 'automatic' },
		);
		const publishing = await createPublishing(
			{
				...common,
				serverSecret,
				registry,
				accounts,
				channels,
				viewerCount,
				audience: () => undefined,
				endpoints: () => ({ httpUrl: 'http://localhost:8080', rtmpUrl: 'rtmp://localhost:1935/live' }),
			},
			{ defaultGraceWindowSeconds: 60 },
		);
		const chat = createChat({ ...common, serverSecret, accounts, channels, admission });
		const objects = new MemoryStore();
		const jobs = new HeldJobs();
		const media = { store: objects, jobs, registry, pictures: new PictureMaker({ clock }), mayWork: () => true };
		const videos: Videos = createVideos(
			{
				...common,
				accounts,
				channels,
				...media,
				packager: { broadcast: () => undefined },
				uploads: () => undefined,
				clips: () => clips.ofVideos,
			},
			{
				maxBytes: 0,
				maxBytesPerOwner: 1e9,
				reservedBytes: 0,
				retentionDays: 14,
				maxSeconds: 3600,
				archiveSeconds: 60,
				mediaFolder: tmpdir(),
			},
		);
		const clips = createClips(
			{ ...common, ...media, accounts, channels, videos },
			{ maxPerDay: options.clipsPerDay ?? 100, temporaryFolder: tmpdir() },
		);
		const app = fastify({ ...requestLimits(() => clock.nowMs()) });
		registerErrorHandler(app, logger);
		await registerOpenApi(app, '0.0.0');
		const routes: FastifyPluginAsync = async (scope) => {
			await scope.register(accounts.routes);
			await registerWebSockets(scope);
			for (const room of [channels, publishing, videos, clips, chat]) {
				await scope.register(room.routes);
			}
			await scope.register(openApiRoutes);
		};
		await app.register(answerOtherMethods(routes));
		await app.ready();
		const videoStore = videos.store;
		const parts = { app, clock, logger, accounts, channels, publishing, videos, videoStore, objects, chat, jobs };
		return new ApiBench({ ...parts, fakeRegistry, viewerCounts });
	}

	/** A browser at a new address, without a user. */
	browser(): TestBrowser {
		const number = ++this.#browserCount;
		return new TestBrowser(this.app, `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`);
	}

	/** A browser in which a new account with that role is signed in. */
	async signUp(name: string, role: UserRole = 'viewer'): Promise<TestBrowser & { userId: string }> {
		const browser = this.browser();
		const response = await browser.send('POST', '/api/v1/users', { name, password: TEST_PASSWORD });
		if (response.statusCode !== 201) {
			throw new Error(`Sign-up of ${name} failed: ${response.body}`);
		}
		const userId = (response.json() as { user: { id: string } }).user.id;
		if (role !== 'viewer') {
			await this.accounts.users.setRole(userId, role);
			await browser.send('POST', '/api/v1/session', { name, password: TEST_PASSWORD });
		}
		return Object.assign(browser, { userId });
	}

	/** A finished recording with two segments of picture and sound; returns its id. */
	async addVideo(channelId: string, visibility: VideoVisibility = 'public'): Promise<string> {
		const id = createId<string>(this.clock.nowMs());
		const startedAt = new Date(this.clock.nowMs());
		await this.videoStore.create({
			id,
			channelId: channelId as ChannelId,
			broadcastId: createId<BroadcastId>(this.clock.nowMs()),
			title: 'A video',
			category: undefined,
			startedAt,
		});
		for (const kind of ['video', 'audio'] as const) {
			const trackId = `${kind}0` as const;
			const facts =
				kind === 'video'
					? { kind, codecs: ['avc1.4d400d'], widthPixels: 320, heightPixels: 180, rung: null, frameRate: 30 }
					: { kind, codecs: ['mp4a.40.2'], channelCount: 2, rung: null, frameRate: null };
			await this.objects.put(`videos/${id}/${trackId}/init0.mp4`, Buffer.from(`init of ${trackId}`));
			const segments = [1, 2].map((mediaSequence) => ({
				kind: 'segment' as const,
				trackId,
				mediaSequence,
				run: 0,
				initName: 'init0.mp4',
				startSeconds: mediaSequence * 2,
				durationSeconds: 2,
				capturedAtMs: startedAt.getTime() + mediaSequence * 2000,
				gap: null,
				sizeBytes: 11,
				hash: 'ab'.repeat(32),
			}));
			for (const { mediaSequence } of segments) {
				await this.objects.put(`videos/${id}/${trackId}/segment${mediaSequence}.m4s`, Buffer.from('some of it.'));
			}
			await this.videoStore.append(id, 1, [{ kind: 'init', trackId, name: 'init0.mp4', facts }, ...segments]);
		}
		await this.videoStore.finish(id, 14);
		await this.videoStore.change(id, { visibility });
		return id;
	}

	/**
	 * A recording of picture and sound that ends now, with segments that can be read; returns its id. Its pictures are
	 * made up: 30 a second, with a key frame every second.
	 */
	async addRecording(channelId: string, durationSeconds: number): Promise<string> {
		const { store, entries } = await madeUpRecording(durationSeconds);
		const id = createId<string>(this.clock.nowMs());
		const startMs = this.clock.nowMs() - durationSeconds * 1000;
		await this.videoStore.create({
			id,
			channelId: channelId as ChannelId,
			broadcastId: createId<BroadcastId>(this.clock.nowMs()),
			title: 'A recording',
			category: 'Chess',
			startedAt: new Date(startMs),
		});
		for (const [name, bytes] of store.objects) {
			await this.objects.put(name.replace(TEST_VIDEO_ID, id), bytes);
		}
		await this.videoStore.append(
			id,
			1,
			entries.map((entry) =>
				entry.kind === 'init' ? entry : { ...entry, capturedAtMs: Math.round(entry.capturedAtMs + startMs) },
			),
		);
		await this.videoStore.finish(id, 14);
		return id;
	}

	async close(): Promise<void> {
		await this.videos.close();
		await this.chat.close();
		await this.publishing.close();
		this.channels.close();
		await this.accounts.close();
		await this.app.close();
	}
}

/** Captured from time 0 on. Made once for each length. */
const madeUp = new Map<number, Promise<TestRecording>>();

function madeUpRecording(durationSeconds: number): Promise<TestRecording> {
	let recording = madeUp.get(durationSeconds);
	if (recording === undefined) {
		const units = simulateRun({
			startSeconds: 100,
			durationSeconds,
			video: { frameRate: 30, gopFrames: 30 },
			audio: { sampleRate: 48_000 },
		});
		const tracks = new Map<TrackId, TrackConfig>([
			['video0', SIMULATED_VIDEO],
			['audio0', simulatedAudio(48_000)],
		]);
		recording = recordRuns([{ tracks, units }]);
		madeUp.set(durationSeconds, recording);
	}
	return recording;
}
