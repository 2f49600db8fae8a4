/** Tests the answer of every API route to every kind of user. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { USER_ROLES } from '../../core/protocol/api/account.ts';
import type { Clip, CreatedClip } from '../../core/protocol/api/clip.ts';
import type { Database } from '../platform/database/database.ts';
import { ApiBench, TEST_PASSWORD, type TestBrowser } from '../testing/api-bench.ts';
import { openTestDatabase } from '../testing/both-databases.ts';
import { CHANNEL_PERMISSIONS, isAllowed, type ChannelAction } from './channel-permissions.ts';

/** In the order of the columns below. `chat-moderator`: a viewer that the owner made a moderator. */
const ASKERS = ['anonymous', 'viewer', 'owner', 'other streamer', 'chat-moderator', 'site moderator', 'admin'] as const;
type Asker = (typeof ASKERS)[number];
type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
type Row = [method: Method, path: string, body: object | undefined, statuses: readonly number[]];

// {channel} belongs to "owner", {key} is one of its keys, {other} belongs to "other streamer".
const CHANNEL = '/api/v1/channels/{channel}';
const ROUTES: readonly Row[] = [
	//                                                        anon viewer owner other chatmod sitemod admin
	['GET', '/api/v1/channels', undefined,                    [200, 200, 200, 200, 200, 200, 200]],
	['GET', '/api/v1/channels/owners-place', undefined,       [200, 200, 200, 200, 200, 200, 200]],
	['GET', '/api/v1/categories', undefined,                  [200, 200, 200, 200, 200, 200, 200]],
	['GET', '/api/v1/time', undefined,                        [200, 200, 200, 200, 200, 200, 200]],
	['GET', '/api/v1/openapi.json', undefined,                [200, 200, 200, 200, 200, 200, 200]],
	['GET', '/api/v1/session', undefined,                     [200, 200, 200, 200, 200, 200, 200]],
	['POST', '/api/v1/session', { name: 'viewer', password: TEST_PASSWORD }, [200, 200, 200, 200, 200, 200, 200]],
	['POST', '/api/v1/session/refresh', undefined,            [401, 200, 200, 200, 200, 200, 200]],
	['DELETE', '/api/v1/session', undefined,                  [204, 204, 204, 204, 204, 204, 204]],
	['PUT', '/api/v1/session/password', { currentPassword: 'wrong', newPassword: TEST_PASSWORD }, [401, 401, 401, 401, 401, 401, 401]],
	['POST', '/api/v1/users', { name: 'newcomer', password: TEST_PASSWORD }, [201, 201, 201, 201, 201, 201, 201]],
	['PUT', '/api/v1/users/viewer/publishing', undefined,     [401, 403, 403, 403, 403, 403, 204]],
	['DELETE', '/api/v1/users/viewer/publishing', undefined,  [401, 403, 403, 403, 403, 403, 204]],
	['PUT', '/api/v1/users/nobody-here/publishing', undefined, [401, 403, 403, 403, 403, 403, 404]],
	['POST', '/api/v1/channels', { name: 'new-place' },       [401, 201, 201, 201, 201, 201, 201]],
	['GET', '/api/v1/streams/ingest', undefined,              [200, 200, 200, 200, 200, 200, 200]],
	['POST', '/api/v1/streams/ingest', { stream_key: '{secret}' }, [200, 200, 200, 200, 200, 200, 200]],
	['POST', '/api/v1/streams/ingest', { stream_key: 'wrong' }, [401, 401, 401, 401, 401, 401, 401]],
	['GET', '/api/v1/chat-tokens', undefined,                 [401, 200, 200, 200, 200, 200, 200]],
	['POST', '/api/v1/chat-tokens', { name: 'bot' },          [401, 201, 201, 201, 201, 201, 201]],
	['DELETE', '/api/v1/chat-tokens/{token}', undefined,      [401, 404, 404, 404, 404, 404, 404]],
	['PATCH', CHANNEL, { title: 'New' },                      [401, 403, 200, 403, 403, 403, 200]],
	['GET', `${CHANNEL}/stream-keys`, undefined,              [401, 403, 200, 403, 403, 403, 200]],
	['POST', `${CHANNEL}/stream-keys`, { name: 'spare' },     [401, 403, 201, 403, 403, 403, 201]],
	['POST', `${CHANNEL}/stream-keys/{key}/rotate`, undefined, [401, 403, 200, 403, 403, 403, 200]],
	['DELETE', `${CHANNEL}/stream-keys/{key}`, undefined,     [401, 403, 204, 403, 403, 403, 204]],
	['GET', `${CHANNEL}/health`, undefined,                   [401, 403, 200, 403, 403, 403, 200]],
	['POST', `${CHANNEL}/end`, undefined,                     [401, 403, 204, 403, 403, 204, 204]],
	['GET', `${CHANNEL}/moderators`, undefined,               [401, 403, 200, 403, 200, 200, 200]],
	['PUT', `${CHANNEL}/moderators/viewer`, undefined,        [401, 403, 204, 403, 403, 403, 204]],
	['DELETE', `${CHANNEL}/moderators/chat-moderator`, undefined, [401, 403, 204, 403, 403, 403, 204]],
	['GET', `${CHANNEL}/chat-settings`, undefined,            [401, 403, 200, 403, 200, 200, 200]],
	['PATCH', `${CHANNEL}/chat-settings`, { slowModeSeconds: 5 }, [401, 403, 200, 403, 200, 200, 200]],
	['GET', `${CHANNEL}/chat-restrictions`, undefined,        [401, 403, 200, 403, 200, 200, 200]],
	// No user is restricted, so the permitted roles get 404.
	['DELETE', `${CHANNEL}/chat-restrictions/somebody`, undefined, [401, 403, 404, 403, 404, 404, 404]],
	// A key under the address of another channel: no role can use it, and no answer reveals that it exists.
	['POST', '/api/v1/channels/{other}/stream-keys/{key}/rotate', undefined, [401, 403, 403, 404, 403, 403, 404]],
	['DELETE', '/api/v1/channels/{other}/stream-keys/{key}', undefined, [401, 403, 403, 404, 403, 403, 404]],
	['GET', '/api/v1/videos/{video}', undefined,              [200, 200, 200, 200, 200, 200, 200]],
	['PATCH', '/api/v1/videos/{video}', { title: 'New' },     [401, 403, 200, 403, 403, 403, 200]],
	['PATCH', '/api/v1/videos/{video}', { visibility: 'unlisted' }, [401, 403, 200, 403, 403, 403, 200]],
	['DELETE', '/api/v1/videos/{video}', undefined,           [401, 403, 200, 403, 403, 200, 200]],
	// A private video is as none, except for its owner and the site's staff.
	['GET', '/api/v1/videos/{private}', undefined,            [404, 404, 200, 404, 404, 200, 200]],
	['PATCH', '/api/v1/videos/{private}', { isKept: true },   [401, 404, 200, 404, 404, 403, 200]],
	['DELETE', '/api/v1/videos/{private}', undefined,         [401, 404, 200, 404, 404, 200, 200]],
	['GET', '/api/v1/videos/nothing', undefined,              [404, 404, 404, 404, 404, 404, 404]],
	['GET', `${CHANNEL}/videos`, undefined,                   [200, 200, 200, 200, 200, 200, 200]],
	// "viewer" made the clips, {hiddenClip} of a private recording.
	['POST', '/api/v1/clips', { video_id: '{recording}' },    [401, 201, 201, 201, 201, 201, 201]],
	['POST', '/api/v1/clips', { video_id: '{hidden}' },       [401, 404, 201, 404, 404, 201, 201]],
	['POST', '/api/v1/clips', { channel_id: '{channel}' },    [401, 409, 409, 409, 409, 409, 409]],
	['GET', '/api/v1/clips/{clip}', undefined,                [200, 200, 200, 200, 200, 200, 200]],
	['PATCH', '/api/v1/clips/{clip}', { title: 'New' },       [401, 200, 200, 403, 403, 403, 200]],
	['PATCH', '/api/v1/clips/{clip}', { trim: { startSeconds: 1, endSeconds: 3 } }, [401, 200, 200, 403, 403, 403, 200]],
	['DELETE', '/api/v1/clips/{clip}', undefined,             [401, 200, 200, 403, 200, 200, 200]],
	['POST', '/api/v1/clips/{clip}/export', undefined,        [401, 202, 202, 202, 202, 202, 202]],
	['POST', '/api/v1/clips/{clip}/reports', { reason: 'x' }, [401, 204, 204, 204, 204, 204, 204]],
	['GET', '/api/v1/clips/{hiddenClip}', undefined,          [404, 404, 200, 404, 404, 200, 200]],
	['PATCH', '/api/v1/clips/{hiddenClip}', { title: 'New' }, [401, 404, 200, 404, 404, 403, 200]],
	['DELETE', '/api/v1/clips/{hiddenClip}', undefined,       [401, 404, 200, 404, 404, 200, 200]],
	['POST', '/api/v1/clips/{hiddenClip}/export', undefined,  [401, 404, 202, 404, 404, 202, 202]],
	['POST', '/api/v1/clips/{hiddenClip}/reports', { reason: 'x' }, [401, 404, 204, 404, 404, 204, 204]],
	['GET', '/api/v1/clips/nothing', undefined,               [404, 404, 404, 404, 404, 404, 404]],
	['GET', `${CHANNEL}/clips`, undefined,                    [200, 200, 200, 200, 200, 200, 200]],
	// Media of a clip: its address is enough, unless the video is private.
	['GET', '{clipMedia}index.m3u8', undefined,               [200, 200, 200, 200, 200, 200, 200]],
	['GET', '{clipMedia}video0/index.m3u8', undefined,        [200, 200, 200, 200, 200, 200, 200]],
	['GET', '{clipMedia}video0/init0.mp4', undefined,         [200, 200, 200, 200, 200, 200, 200]],
	['GET', '{clipMedia}poster.jpg', undefined,               [404, 404, 404, 404, 404, 404, 404]],
	['GET', '{clipMedia}clip.mp4', undefined,                 [404, 404, 404, 404, 404, 404, 404]],
	['GET', '{hiddenMedia}index.m3u8', undefined,             [404, 404, 200, 404, 404, 200, 200]],
	['GET', '{hiddenMedia}video0/index.m3u8', undefined,      [404, 404, 200, 404, 404, 200, 200]],
	['GET', '{hiddenMedia}video0/init0.mp4', undefined,       [404, 404, 200, 404, 404, 200, 200]],
	['GET', `${CHANNEL}/recording`, undefined,                [401, 403, 200, 403, 403, 403, 200]],
	['PUT', `${CHANNEL}/recording`, { choice: true },         [401, 403, 200, 403, 403, 403, 200]],
	// Unknown channels: every signed-in user gets 404.
	['PATCH', '/api/v1/channels/nowhere', { title: 'x' },     [401, 404, 404, 404, 404, 404, 404]],
	['GET', '/api/v1/channels/nowhere/stream-keys', undefined, [401, 404, 404, 404, 404, 404, 404]],
	['GET', '/api/v1/channels/nowhere', undefined,            [404, 404, 404, 404, 404, 404, 404]],
]; // prettier-ignore

describe('role × route', () => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let bench: ApiBench;
	let names: Record<string, string>;
	let browsers: Record<Asker, TestBrowser>;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase('embedded'));
	});
	beforeEach(async () => {
		bench = await ApiBench.open(database);
		browsers = {
			anonymous: bench.browser(),
			viewer: await bench.signUp('viewer'),
			owner: await bench.signUp('owner'),
			'other streamer': await bench.signUp('other-streamer'),
			'chat-moderator': await bench.signUp('chat-moderator'),
			'site moderator': await bench.signUp('site-moderator', 'moderator'),
			admin: await bench.signUp('the-admin', 'admin'),
		};
		const open = async (asker: Asker, name: string): Promise<string> =>
			(await browsers[asker].send('POST', '/api/v1/channels', { name })).json<{ id: string }>().id;
		const [channel, other] = [await open('owner', 'owners-place'), await open('other streamer', 'other-place')];
		const made = await browsers.owner.send('POST', `/api/v1/channels/${channel}/stream-keys`, { name: 'main' });
		const { id: key, streamKey: secret } = made.json<{ id: string; streamKey: string }>();
		await browsers.owner.send('PUT', `/api/v1/channels/${channel}/moderators/chat-moderator`);
		const [video, hidden] = [await bench.addVideo(channel), await bench.addVideo(channel, 'private')];
		const clip = async (recording: string): Promise<{ id: string; media: string }> => {
			const created = await browsers.viewer.send('POST', '/api/v1/clips', { video_id: recording });
			const { clip_id: id } = created.json<CreatedClip>();
			const { playlistUrl } = (await browsers.viewer.send('GET', `/api/v1/clips/${id}`)).json<Clip>();
			return { id, media: playlistUrl.replace('index.m3u8', '') };
		};
		const [recording, hiddenRecording] = [await bench.addRecording(channel, 6), await bench.addRecording(channel, 6)];
		const [shown, hiddenOne] = [await clip(recording), await clip(hiddenRecording)];
		await browsers.owner.send('PATCH', `/api/v1/videos/${hiddenRecording}`, { visibility: 'private' });
		names = {
			channel,
			other,
			key,
			secret,
			video,
			private: hidden,
			recording,
			hidden: hiddenRecording,
			clip: shown.id,
			clipMedia: shown.media,
			hiddenClip: hiddenOne.id,
			hiddenMedia: hiddenOne.media,
		};
	});
	afterEach(async () => {
		await bench.close();
		await database.runScript('DELETE FROM channels; DELETE FROM users');
	});
	afterAll(() => closeDatabase());

	const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (_, name: string) => names[name]!);

	it.each(ROUTES)('%s %s %j', async (method, path, body, statuses) => {
		expect(statuses).toHaveLength(ASKERS.length);
		const seen: Record<string, number> = {};
		for (const asker of ASKERS) {
			const payload = body === undefined ? undefined : (JSON.parse(fill(JSON.stringify(body))) as object);
			const response = await browsers[asker].send(method, fill(path), payload);
			seen[asker] = response.statusCode;
			if (response.statusCode >= 400) {
				expect(response.headers['content-type']).toContain('application/problem+json');
				expect(response.headers['www-authenticate']).toBe(response.statusCode === 401 ? 'Bearer' : undefined);
			}
			await restore(method, path, response.statusCode);
		}
		expect(seen).toEqual(Object.fromEntries(ASKERS.map((asker, index) => [asker, statuses[index]])));
	});

	/** Undoes what a granted request did, so that the next one finds the same. */
	async function restore(method: Method, path: string, status: number): Promise<void> {
		if (status >= 300) {
			return;
		}
		if (path.endsWith('/{key}') || path.endsWith('/rotate')) {
			await bench.publishing.streamKeys.reinstateStreamKey(names['key']!);
		}
		await database.query("DELETE FROM channels WHERE name = 'new-place'");
		await database.query("DELETE FROM users WHERE name = 'newcomer'");
		await database.query('UPDATE videos SET deleted_at = NULL');
		await database.query('UPDATE clips SET deleted_at = NULL');
		await database.query('DELETE FROM retired_path_secrets');
		if (method === 'DELETE' && path.includes('/moderators/')) {
			await browsers.owner.send('PUT', `/api/v1/channels/${names['channel']}/moderators/chat-moderator`);
		}
	}

	it('covers every route of the API', async () => {
		const document = (await browsers.anonymous.send('GET', '/api/v1/openapi.json')).json<{
			paths: Record<string, Record<string, object>>;
		}>();
		const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
			Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
		);
		const tested = ROUTES.map(([method, path]) => {
			const shape = path
				.replace(/\/channels\/[^/]+/, '/channels/{channel}')
				.replace(/\/stream-keys\/\{key\}/, '/stream-keys/{key}')
				.replace(/\/(moderators|chat-restrictions)\/[^/]+/, '/$1/{user}')
				.replace(/\/users\/[^/]+\//, '/users/{user}/')
				.replace(/\/videos\/[^/]+/, '/videos/{video}')
				.replace(/\/clips\/[^/]+/, '/clips/{clip}');
			return `${method} ${shape}`;
		});
		// IRC's addresses take sockets only.
		const asked = documented.filter((route) => !/ \/api\/v1\/chat(\/|$)/.test(route));
		expect(asked.filter((route) => !tested.includes(route))).toEqual([]);
		expect(documented.length).toBeGreaterThan(20);
	});

	it('rejects a token with a changed role', async () => {
		const [header, payload, signature] = browsers.viewer.cookies.get('spillway_session')!.split('.') as [
			string,
			string,
			string,
		];
		const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
		const raised = Buffer.from(JSON.stringify({ ...claims, role: 'admin' })).toString('base64url');
		const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url');
		for (const token of [`${header}.${raised}.${signature}`, `${none}.${raised}.`, `${none}.${raised}.${signature}`]) {
			const forger = bench.browser();
			forger.cookies.set('spillway_session', token);
			expect((await forger.send('GET', `/api/v1/channels/${names['channel']}/health`)).statusCode).toBe(401);
		}
	});
});

describe('isAllowed', () => {
	it('allows everything to administrators and owners, and nothing to other viewers and streamers', () => {
		for (const action of Object.keys(CHANNEL_PERMISSIONS) as ChannelAction[]) {
			for (const role of USER_ROLES) {
				expect(isAllowed(action, 'owner', role)).toBe(true);
			}
			expect(isAllowed(action, 'other', 'admin')).toBe(true);
			expect(isAllowed(action, 'other', 'viewer')).toBe(false);
			expect(isAllowed(action, 'other', 'streamer')).toBe(false);
		}
	});
});
