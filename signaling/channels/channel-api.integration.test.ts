/** Tests of the channel API: keys, titles, policy, search, moderators, and no secrets in logs. */
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { ChannelId } from '../../core/ids.ts';
import { silentLogger } from '../../core/logger.ts';
import { channelDescriptionSchema } from '../../core/protocol/api/channel-description.ts';
import { channelListSchema } from '../../core/protocol/api/channel-list.ts';
import type { ChatRestrictionList } from '../../core/protocol/api/chat-restriction.ts';
import type { NewStreamKey } from '../../core/protocol/api/stream-key.ts';
import type { ServerMessage } from '../../core/protocol/signaling/signaling-messages.ts';
import { InProcessBus } from '../platform/bus/in-process-bus.ts';
import type { User } from '../accounts/user.ts';
import type { Database } from '../platform/database/database.ts';
import { ApiBench, TEST_PASSWORD, type TestBrowser } from '../testing/api-bench.ts';
import { DATABASE_KINDS, openTestDatabase } from '../testing/both-databases.ts';

describe.each(DATABASE_KINDS)('the API of channels ($kind)', ({ kind }) => {
	let database: Database;
	let closeDatabase: () => Promise<void>;
	let bench: ApiBench;
	let owner: TestBrowser & { userId: string };
	let id: string;

	beforeAll(async () => {
		({ database, close: closeDatabase } = await openTestDatabase(kind));
	});
	beforeEach(async () => {
		bench = await ApiBench.open(database);
		owner = await bench.signUp('owner');
		id = (await owner.send('POST', '/api/v1/channels', { name: 'place', title: 'First' })).json<{ id: string }>().id;
	});
	afterEach(async () => {
		await bench.close();
		await database.runScript('DELETE FROM channels; DELETE FROM users');
	});
	afterAll(() => closeDatabase());

	const makeKey = async (name: string): Promise<NewStreamKey> =>
		(await owner.send('POST', `/api/v1/channels/${id}/stream-keys`, { name })).json<NewStreamKey>();

	it('makes a viewer with a channel a streamer, at once', async () => {
		const session = (await owner.send('GET', '/api/v1/session')).json<{ user: { role: string; channels: object[] } }>();
		expect(session.user).toMatchObject({ role: 'streamer', channels: [{ id, name: 'place' }] });
		const token = owner.cookies.get('spillway_session')!.split('.')[1]!;
		expect(JSON.parse(Buffer.from(token, 'base64url').toString())).toMatchObject({ role: 'streamer', name: 'owner' });
	});

	it('opens as many channels as allowed, and none under the name of another user', async () => {
		await bench.signUp('somebody');
		const open = async (by: TestBrowser, name: string): Promise<string> =>
			(await by.send('POST', '/api/v1/channels', { name })).json<{ code?: string }>().code ?? 'opened';
		expect(await open(owner, 'somebody')).toBe('NAME_TAKEN');
		expect(await open(owner, 'place')).toBe('NAME_TAKEN');
		for (const name of ['dashboard', 'a', 'with space', '../x']) {
			expect(await open(owner, name)).toBe('REQUEST_INVALID');
		}
		expect(await open(owner, 'owner')).toBe('opened');
		for (const name of ['third', 'fourth', 'fifth']) {
			expect(await open(owner, name)).toBe('opened');
		}
		expect(await open(owner, 'sixth')).toBe('LIMIT_REACHED');
		const strict = await ApiBench.open(database, { channelsPerUser: 1 });
		const newcomer = await strict.signUp('newcomer');
		expect([await open(newcomer, 'one'), await open(newcomer, 'two')]).toEqual(['opened', 'LIMIT_REACHED']);
		await strict.close();
	});

	it('describes a channel as in its schema', async () => {
		bench.viewerCounts.set('place', 3);
		bench.fakeRegistry.start('place');
		const seen = (await bench.browser().send('GET', '/api/v1/channels/place')).json<Record<string, unknown>>();
		expect(Value.Errors(channelDescriptionSchema, seen)).toEqual([]);
		expect(seen).toMatchObject({ id, title: 'First', ownerName: 'owner', state: 'live', viewerCount: 3 });
		expect(seen).toMatchObject({ policy: { mode: 'automatic', interactiveSeats: null } });
		expect(seen).not.toHaveProperty('graceWindowSeconds');
		expect((await owner.send('GET', `/api/v1/channels/${id}`)).json()).toEqual({
			...seen,
			graceWindowSeconds: 60,
			ladderChoice: null,
			serverLadderChoice: 'automatic',
		});
	});

	describe('stream keys', () => {
		it('are several, named, shown once', async () => {
			const main = await makeKey('main');
			// Keys of one millisecond have no order.
			await bench.clock.advance(1);
			const spare = await makeKey('  spare ');
			expect(main.streamKey).toMatch(/^live_[0-9a-z]{32}$/);
			const listed = await owner.send('GET', `/api/v1/channels/${id}/stream-keys`);
			expect(listed.body).not.toContain(main.streamKey);
			expect(listed.json()).toEqual({
				streamKeys: [
					{
						id: main.id,
						name: 'main',
						prefix: main.streamKey.slice(0, 9),
						createdAt: expect.any(String) as string,
						lastUsedAt: null,
						newNetworkAt: null,
					},
					expect.objectContaining({ id: spare.id, name: 'spare' }) as object,
				],
			});
		});

		it('end the session on them at once when revoked, also on other servers', async () => {
			const bus = new InProcessBus({ clock: systemClock, logger: silentLogger });
			const [here, there] = [await ApiBench.open(database, { bus }), await ApiBench.open(database, { bus })];
			const key = await makeKey('main');
			const authorize = ({ publishing }: ApiBench): Promise<unknown> =>
				publishing.authorizer.authorize(key.streamKey, '192.0.2.1');
			await Promise.all([there, here].map(authorize));
			const browser = here.browser();
			await browser.send('POST', '/api/v1/session', { name: 'owner', password: TEST_PASSWORD });
			expect((await browser.send('DELETE', `/api/v1/channels/${id}/stream-keys/${key.id}`)).statusCode).toBe(204);
			expect(here.fakeRegistry.revokedKeyIds).toEqual([key.id]);
			await expect(authorize(here)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
			await expect.poll(() => there.fakeRegistry.revokedKeyIds).toEqual([key.id]);
			await expect(authorize(there)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
			expect((await browser.send('DELETE', `/api/v1/channels/${id}/stream-keys/${key.id}`)).statusCode).toBe(404);
			expect((await browser.send('GET', `/api/v1/channels/${id}/stream-keys`)).json()).toEqual({ streamKeys: [] });
			// A node does not apply its own announcement a second time.
			expect(here.fakeRegistry.revokedKeyIds).toHaveLength(1);
			await Promise.all([here.close(), there.close(), bus.close()]);
		});

		it('get a successor of the same name when rotated', async () => {
			const [old, other] = [await makeKey('main'), await makeKey('main')];
			const rotated = await owner.send('POST', `/api/v1/channels/${id}/stream-keys/${old.id}/rotate`);
			const next = rotated.json<NewStreamKey>();
			expect([rotated.statusCode, next.name]).toEqual([200, 'main']);
			expect(bench.fakeRegistry.revokedKeyIds).toEqual([old.id]);
			const authorize = ({ streamKey }: NewStreamKey): Promise<unknown> =>
				bench.publishing.authorizer.authorize(streamKey, '192.0.2.1');
			await expect(authorize(old)).rejects.toMatchObject({ code: 'STREAM_KEY_REFUSED' });
			for (const valid of [next, other]) {
				await expect(authorize(valid)).resolves.toMatchObject({ channelId: id });
			}
			expect((await owner.send('POST', `/api/v1/channels/${id}/stream-keys/${old.id}/rotate`)).statusCode).toBe(404);
		});

		it('are at most twenty', async () => {
			for (let count = 0; count < 20; count++) {
				await bench.publishing.streamKeys.createStreamKey(id as never, `key ${count}`);
			}
			const response = await owner.send('POST', `/api/v1/channels/${id}/stream-keys`, { name: 'one more' });
			expect(response.json()).toMatchObject({ code: 'LIMIT_REACHED', status: 409 });
		});
	});

	it('keeps titles and categories as plain text', async () => {
		const title = '  <script>alert(1)</script> "quotes" & \'more\' {{ 1 + 1 }} Cafe\u0301 🎬 ';
		const response = await owner.send('PATCH', `/api/v1/channels/${id}`, { title, category: '<b>Music</b>' });
		const expected = { title: title.normalize('NFC').trim(), category: '<b>Music</b>' };
		expect(response.json()).toMatchObject(expected);
		const seen = await bench.browser().send('GET', '/api/v1/channels/place');
		expect(seen.json()).toMatchObject(expected);
		expect(seen.headers['content-type']).toContain('application/json');
		const cleared = await owner.send('PATCH', `/api/v1/channels/${id}`, { category: null });
		expect(cleared.json()).toMatchObject({ category: null });
	});

	it('refuses invalid changes of a channel', async () => {
		const bodies: object[] = [
			{},
			{ title: 'x'.repeat(141) },
			{ title: 'a\u0000b' },
			{ title: 'a\nb' },
			{ title: 'a\u202eb' },
			{ title: '\ud800' },
			{ title: 5 },
			{ title: null },
			{ category: 'x'.repeat(41) },
			{ policy: { mode: 'nobody', interactiveSeats: null } },
			{ policy: { mode: 'automatic' } },
			{ policy: { mode: 'automatic', interactiveSeats: -1 } },
			{ policy: { mode: 'automatic', interactiveSeats: null, extra: 1 } },
			{ graceWindowSeconds: 1801 },
			{ graceWindowSeconds: '5' },
			{ ladderChoice: 'on' },
			{ ladderChoice: [] },
			{ ladderChoice: ['720p'] },
			{ ladderChoice: ['720p60', '720p60'] },
			{ ladderChoice: '720p60' },
			{ ladderChoice: 1 },
			{ ownerId: 'somebody' },
			{ name: 'other' },
			[],
		];
		for (const body of bodies) {
			const response = await owner.send('PATCH', `/api/v1/channels/${id}`, body);
			expect([body, response.statusCode]).toEqual([body, 400]);
		}
		expect((await owner.send('GET', `/api/v1/channels/${id}`)).json()).toMatchObject({ name: 'place', title: 'First' });
	});

	it('applies policy and grace window at once', async () => {
		const broadcast = bench.fakeRegistry.start('place');
		const changed: string[] = [];
		bench.channels.control.on('channelChanged', (channelId) => changed.push(channelId));
		const policy = { mode: 'interactive-only', interactiveSeats: 12 };
		const response = await owner.send('PATCH', `/api/v1/channels/${id}`, { policy, graceWindowSeconds: 5 });
		expect(response.json()).toMatchObject({ policy, graceWindowSeconds: 5, title: 'First' });
		expect([broadcast.graceWindowMs, changed]).toEqual([5000, [id]]);
		await owner.send('PATCH', `/api/v1/channels/${id}`, { graceWindowSeconds: null });
		expect(broadcast.graceWindowMs).toBe(60_000);
		await owner.send('PATCH', `/api/v1/channels/${id}`, { title: 'Other' });
		expect(broadcast.graceWindowMs).toBe(60_000);
	});

	it('explains which rungs can be chosen', async () => {
		for (const ladderChoice of ['on', [], ['720p'], ['720p60', '720p60'], {}]) {
			const response = await owner.send('PATCH', `/api/v1/channels/${id}`, { ladderChoice });
			expect(response.json<{ detail: string }>().detail).toContain(
				'body/ladderChoice must be "automatic", "off", a list of different names of 1080p60, 720p60, 480p30, 360p30, 160p30, or null',
			);
		}
	});

	it('applies the choice of rungs at once, to the next publisher, and on the other servers', async () => {
		const bus = new InProcessBus({ clock: systemClock, logger: silentLogger });
		const [here, there] = [await ApiBench.open(database, { bus }), await ApiBench.open(database, { bus })];
		const { streamKey } = await makeKey('main');
		const authorized = async (): Promise<unknown> =>
			(await there.publishing.authorizer.authorize(streamKey, '192.0.2.1')).ladderChoice;
		const broadcast = there.fakeRegistry.start('place');
		const browser = here.browser();
		await browser.send('POST', '/api/v1/session', { name: 'owner', password: TEST_PASSWORD });
		for (const ladderChoice of ['off', ['720p60', '360p30'], 'automatic', null]) {
			const response = await browser.send('PATCH', `/api/v1/channels/${id}`, { ladderChoice });
			expect(response.json()).toMatchObject({ ladderChoice, graceWindowSeconds: 60 });
			await expect.poll(() => broadcast.ladderChoice).toEqual(ladderChoice ?? undefined);
			await expect(authorized()).resolves.toEqual(ladderChoice ?? undefined);
		}
		await browser.send('PATCH', `/api/v1/channels/${id}`, { ladderChoice: 'off' });
		await browser.send('PATCH', `/api/v1/channels/${id}`, { title: 'Other' });
		expect([broadcast.ladderChoice, broadcast.graceWindowMs]).toEqual(['off', undefined]);
		await Promise.all([here.close(), there.close(), bus.close()]);
	});

	it('reports the health of a broadcast and ends it', async () => {
		const broadcast = bench.fakeRegistry.start('place');
		const health = (await owner.send('GET', `/api/v1/channels/${id}/health`)).json<object>();
		expect(health).toMatchObject({
			state: 'live',
			publisher: { protocol: 'rtmp', encoderName: null, remoteAddress: '192.0.2.9' },
			audience: { viewerCount: 0, waitingCount: 0 },
		});
		expect((await owner.send('POST', `/api/v1/channels/${id}/end`)).statusCode).toBe(204);
		expect(broadcast.endReason).toBe('unpublished');
		const ended = await owner.send('GET', `/api/v1/channels/${id}/health`);
		expect(ended.json()).toMatchObject({ state: 'offline', publisher: null });
		expect((await owner.send('POST', `/api/v1/channels/${id}/end`)).statusCode).toBe(204);
	});

	it('lists live channels first, by viewers, and finds them by text and category', async () => {
		const make = async (name: string, title: string, category: string | undefined, viewers?: number): Promise<void> => {
			await bench.channels.store.createChannel({ name, title, category });
			if (viewers !== undefined) {
				bench.fakeRegistry.start(name);
				bench.viewerCounts.set(name, viewers);
			}
		};
		await make('alpha', '100% piano', 'Music');
		await make('beta', 'Piano lessons', 'music', 5);
		await make('gamma', 'Chess_club', 'Games', 50);
		await make('delta', 'Chess at night', 'Games', 5);
		const list = async (query: string): Promise<string[]> => {
			const response = await bench.browser().send('GET', `/api/v1/channels${query}`);
			expect(Value.Check(channelListSchema, response.json())).toBe(true);
			return response.json<{ channels: { name: string }[] }>().channels.map(({ name }) => name);
		};
		expect(await list('')).toEqual(['gamma', 'beta', 'delta', 'alpha', 'place']);
		expect(await list('?state=live')).toEqual(['gamma', 'beta', 'delta']);
		expect(await list('?query=PIANO')).toEqual(['beta', 'alpha']);
		expect(await list('?query=%25')).toEqual(['alpha']);
		expect(await list('?query=_')).toEqual(['gamma']);
		expect(await list('?query=%5C')).toEqual([]);
		expect(await list('?category=MUSIC')).toEqual(['beta', 'alpha']);
		expect(await list('?category=games&query=night')).toEqual(['delta']);
		const categories = [
			{ name: 'Games', liveCount: 2, viewerCount: 55 },
			{ liveCount: 1, viewerCount: 5 },
		];
		expect((await bench.browser().send('GET', '/api/v1/categories')).json()).toMatchObject({ categories });
		for (const query of ['?state=dead', '?other=1', '?query=%00', '?query=a&query=b', `?query=${'x'.repeat(101)}`]) {
			expect((await bench.browser().send('GET', `/api/v1/channels${query}`)).statusCode).toBe(400);
		}
	});

	it('keeps moderators and chat settings', async () => {
		await bench.signUp('helper');
		const chat = `/api/v1/channels/${id}/chat-settings`;
		const changed: string[] = [];
		bench.channels.control.on('chatChanged', (channelId) => changed.push(channelId));
		expect((await owner.send('GET', chat)).json()).toEqual({
			slowModeSeconds: 0,
			isAccountRequired: false,
			blockedWords: [],
		});
		await owner.send('PATCH', chat, { slowModeSeconds: 30 });
		const words = await owner.send('PATCH', chat, { blockedWords: [' rude ', 'rude', '<b>'] });
		expect(words.json()).toEqual({ slowModeSeconds: 30, isAccountRequired: false, blockedWords: ['rude', '<b>'] });
		for (const body of [{ slowModeSeconds: -1 }, { slowModeSeconds: 1.5 }, { blockedWords: [''] }, { other: 1 }, {}]) {
			expect((await owner.send('PATCH', chat, body)).statusCode).toBe(400);
		}
		for (let round = 0; round < 2; round++) {
			expect((await owner.send('PUT', `/api/v1/channels/${id}/moderators/Helper`)).statusCode).toBe(204);
		}
		const list = await owner.send('GET', `/api/v1/channels/${id}/moderators`);
		expect(list.json()).toMatchObject({ moderators: [{ name: 'helper' }] });
		expect((await owner.send('PUT', `/api/v1/channels/${id}/moderators/nobody-here`)).statusCode).toBe(404);
		const own = await owner.send('PUT', `/api/v1/channels/${id}/moderators/Owner`);
		expect([own.statusCode, own.json<{ code: string }>().code]).toEqual([400, 'REQUEST_INVALID']);
		expect((await owner.send('DELETE', `/api/v1/channels/${id}/moderators/helper`)).statusCode).toBe(204);
		expect((await owner.send('GET', `/api/v1/channels/${id}/moderators`)).json()).toEqual({ moderators: [] });
		expect(changed.length).toBe(5);
	});

	it('lists the users who may not write, and releases them', async () => {
		const { userId } = await bench.signUp('rude-person');
		const list = `/api/v1/channels/${id}/chat-restrictions`;
		const room = bench.chat.service.open(id as ChannelId);
		const received: ServerMessage[] = [];
		const member = (memberId: string, user: User): Promise<unknown> =>
			room.join(
				{ id: memberId, user, remoteAddress: '192.0.2.1', deliver: ({ message }) => received.push(message) },
				undefined,
			);
		await member('1', { id: userId, name: 'rude-person', role: 'viewer' });
		await member('2', { id: owner.userId, name: 'owner', role: 'viewer' });
		await room.moderate('2', { action: 'timeout', userName: 'rude-person', seconds: 60 });
		const [restriction] = (await owner.send('GET', list)).json<ChatRestrictionList>().restrictions;
		expect(restriction).toMatchObject({ name: 'rude-person', moderator: 'owner' });
		expect(Date.parse(restriction!.until!) - Date.parse(restriction!.since)).toBe(60_000);
		await room.moderate('2', { action: 'ban', userName: 'rude-person' });
		expect((await owner.send('GET', list)).json()).toMatchObject({ restrictions: [{ until: null }] });
		received.length = 0;
		expect((await owner.send('DELETE', `${list}/Rude-Person`)).statusCode).toBe(204);
		expect(received).toContainEqual({
			type: 'chat-standing',
			chatName: 'rude-person',
			canModerate: false,
			chatRestriction: null,
		});
		expect((await owner.send('GET', list)).json()).toEqual({ restrictions: [] });
		const unknown = await owner.send('DELETE', `${list}/nobody-here`);
		expect([unknown.statusCode, unknown.json<{ code: string }>().code]).toEqual([404, 'CHAT_TARGET_UNKNOWN']);
		room.close();
	});

	it('reports where to publish, and advises on the codec', async () => {
		const { streamKey } = await makeKey('main');
		const ask = async (body: object): Promise<Record<string, unknown>> =>
			(await bench.browser().send('POST', '/api/v1/streams/ingest', body, {})).json();
		const answer = await ask({ stream_key: streamKey, codec: 'h264', bitrate: 4_000_000 });
		expect(answer).toMatchObject({
			channel_id: id,
			channel_name: 'place',
			whip_url: 'http://localhost:8080/whip',
			rtmp_url: 'rtmp://localhost:1935/live',
			is_codec_accepted: true,
		});
		expect(JSON.stringify(answer)).not.toContain(streamKey);
		const { whip_url, rtmp_url } = answer;
		expect((await bench.browser().send('GET', '/api/v1/streams/ingest')).json()).toEqual({ whip_url, rtmp_url });
		expect(await ask({ stream_key: streamKey, codec: 'hevc' })).toMatchObject({ is_codec_accepted: false });
		expect(await ask({ stream_key: 'wrong', codec: 'h264' })).toMatchObject({ code: 'STREAM_KEY_REFUSED' });
	});

	it('writes no password, token or key into a log or an error', async () => {
		const { streamKey } = await makeKey('main');
		const secrets = [TEST_PASSWORD, 'guessed-password', streamKey, ...owner.cookies.values()];
		await owner.send('POST', '/api/v1/users', { name: 'owner', password: 'guessed-password' });
		await bench.browser().send('POST', '/api/v1/session', { name: 'owner', password: 'guessed-password' });
		await bench.browser().send('POST', '/api/v1/session', { name: 'owner', password: ['guessed-password'] });
		await bench.browser().send('POST', '/api/v1/session', { 'guessed-password': 1 });
		await bench.browser().send('POST', `/api/v1/streams/ingest?stream_key=${streamKey}`, { stream_key: [streamKey] });
		await bench.browser().send('POST', '/api/v1/streams/ingest', { stream_key: `${streamKey}x` });
		await owner.send('POST', '/api/v1/session/refresh');
		secrets.push(...owner.cookies.values());
		await bench.clock.advance(11_000);
		const thief = bench.browser();
		thief.cookies.set('spillway_refresh', secrets[4]!);
		await thief.send('POST', '/api/v1/session/refresh');
		await owner.send('POST', `/api/v1/channels/${id}/stream-keys`, { name: 'x', [streamKey]: 1 });
		const responses = await Promise.all([
			thief.send('GET', `/api/v1/channels/${id}?token=${streamKey}`),
			thief.send('GET', `/live/${streamKey}`),
		]);
		const log = bench.logger.lines.map(({ fields, message }) => {
			const error = fields['err'] as Error | undefined;
			return `${message} ${JSON.stringify(fields)} ${error?.stack ?? ''} ${String(error?.cause ?? '')}`;
		});
		expect(log.length).toBeGreaterThan(10);
		for (const secret of secrets) {
			expect(log.filter((line) => line.includes(secret))).toEqual([]);
			expect(responses.filter(({ body }) => body.includes(secret))).toEqual([]);
		}
	});

	it('answers anything with a known status, never 500', async () => {
		const text = fc.oneof(
			fc.string({ unit: 'binary', maxLength: 60 }),
			fc.constantFrom('place', id, '\u0000', '../..', '%'),
		);
		const value = fc.oneof(text, fc.jsonValue(), fc.constant(undefined));
		const fields = ['name', 'title', 'category', 'password', 'policy', 'stream_key'];
		const body = fc.record(Object.fromEntries(fields.map((name) => [name, value])));
		const collections = ['channels', 'users', 'session', 'streams/ingest'];
		const paths = fc.constantFrom(...collections, 'channels/:x', 'channels/:x/stream-keys');
		await fc.assert(
			fc.asyncProperty(
				fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE'),
				paths,
				text,
				body,
				async (method, path, word, payload) => {
					const encoded = encodeURIComponent(word.toWellFormed());
					const url = `/api/v1/${path.replace(':x', encoded)}?query=${encoded}`;
					const browser = bench.browser();
					browser.cookies.set('spillway_session', owner.cookies.get('spillway_session')!);
					const response = await browser.send(method, url, method === 'GET' ? undefined : payload);
					expect(response.statusCode).toBeLessThan(500);
				},
			),
			{ numRuns: 150 },
		);
	});
});
