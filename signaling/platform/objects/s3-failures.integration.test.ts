/** Tests of the S3 store against services that fail in every way, by a scripted HTTP server. */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { collect } from './object-store-contract.ts';
import { S3Store } from './s3-store.ts';
import { answerError, startScriptedS3, type S3Script, type ScriptedS3 } from './testing/scripted-s3.ts';

const deps = { clock: systemClock, logger: silentLogger };
const openStore = (s3: ScriptedS3, timeoutMs = 5000): S3Store => new S3Store(deps, { ...s3.options, timeoutMs });
const UNAVAILABLE = 'OBJECT_STORE_UNAVAILABLE';

type FailureCase = {
	answer: [status: number, code: string, headers?: object];
	code?: string;
	sentence: string;
	attempts: number;
};

const FAILURES: FailureCase[] = [
	{
		answer: [403, 'InvalidAccessKeyId'],
		sentence: 'the S3 service HOST does not know the access key; check recording.s3.accessKeyId',
		attempts: 1,
	},
	{
		answer: [403, 'SignatureDoesNotMatch'],
		sentence: 'the S3 service HOST refuses the signature; check recording.s3.secretAccessKey and recording.s3.region',
		attempts: 1,
	},
	{
		answer: [403, 'RequestTimeTooSkewed', { date: new Date(Date.now() + 3_600_000).toUTCString() }],
		sentence: 'behind that of the S3 service HOST; set it, and keep it right by NTP',
		attempts: 1,
	},
	{
		answer: [403, 'AccessDenied'],
		sentence:
			'the S3 service HOST does not allow this (403 AccessDenied): the access key needs the right to read, write, delete and list in bucket "recordings"',
		attempts: 1,
	},
	{
		answer: [404, 'NoSuchBucket'],
		sentence: 'the S3 service HOST has no bucket "recordings"; create it, or correct recording.s3.bucket',
		attempts: 1,
	},
	{
		answer: [301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-central-1' }],
		sentence:
			'bucket "recordings" is in another region than recording.s3.region or the address HOST name, which is eu-central-1',
		attempts: 1,
	},
	{
		answer: [400, 'AuthorizationHeaderMalformed'],
		sentence:
			'bucket "recordings" is in another region than recording.s3.region or the address HOST name, which is eu-west-9',
		attempts: 1,
	},
	{ answer: [503, 'SlowDown'], sentence: 'the S3 service HOST is overloaded (503 SlowDown)', attempts: 3 },
	{
		answer: [429, 'TooManyRequests'],
		sentence: 'the S3 service HOST is overloaded (429 TooManyRequests)',
		attempts: 3,
	},
	{
		answer: [500, 'InternalError'],
		sentence: 'the S3 service HOST answered 500 InternalError: As "scripted"',
		attempts: 3,
	},
	{
		answer: [400, 'EntityTooLarge'],
		sentence: 'the S3 service HOST answered 400 EntityTooLarge: As "scripted"',
		attempts: 1,
	},
	{
		answer: [507, 'XMinioStorageFull'],
		code: 'OBJECT_STORE_FULL',
		sentence: 'bucket "recordings" at HOST takes no more (507 XMinioStorageFull)',
		attempts: 1,
	},
	{
		answer: [403, 'QuotaExceeded'],
		code: 'OBJECT_STORE_FULL',
		sentence: 'bucket "recordings" at HOST takes no more (403 QuotaExceeded)',
		attempts: 1,
	},
];

/** Counts how often the script fails before it answers well. */
function failFirst(count: number, fail: (response: ServerResponse) => void): S3Script {
	return (_call, response, attempt) => (attempt <= count ? fail(response) : response.end('0123456789'));
}

const cutMiddle = (response: ServerResponse): void => {
	response.writeHead(200, { 'content-length': 10 });
	response.write('01234');
	// After the first half has left.
	setTimeout(() => response.destroy(), 20);
};

describe('answers of an S3 service', () => {
	it.each(FAILURES)('$answer.0 $answer.1', async ({ answer, code = UNAVAILABLE, sentence, attempts }) => {
		await using s3 = await startScriptedS3((_call, response) => answerError(response, ...answer));
		await using store = openStore(s3);
		const words = expect.stringContaining(sentence.replace('HOST', new URL(s3.options.endpoint).host)) as string;
		await expect(store.put('v/1.m4s', Buffer.from('x'))).rejects.toMatchObject({ code, message: words });
		expect(s3.calls.length).toBe(attempts);
		const failure = { code, message: words };
		await Promise.all([
			expect(store.get('v/1.m4s')).rejects.toMatchObject(failure),
			expect(collect(store.list('v/'))).rejects.toMatchObject(failure),
			expect(store.delete(['v/1.m4s'])).rejects.toMatchObject(failure),
			expect(store.delete(['v/1.m4s', 'v/2.m4s'])).rejects.toMatchObject(failure),
			expect(store.checkAccess()).rejects.toMatchObject(failure),
		]);
	});

	it.each([
		['503', (response: ServerResponse) => answerError(response, 503, 'SlowDown')],
		['a cut answer', cutMiddle],
		['a connection that ends', (response: ServerResponse) => response.destroy()],
	])('%s twice, then what was asked for', async (_kind, fail) => {
		await using s3 = await startScriptedS3(failFirst(2, fail));
		await using store = openStore(s3);
		await expect(store.get('v/1')).resolves.toMatchObject({ totalBytes: 10 });
		expect(s3.calls.length).toBe(3);
	});

	it.each([
		['cut in the middle of a get', cutMiddle],
		['cut before', (response: ServerResponse) => response.destroy()],
	])('%s, always', async (_kind, fail) => {
		await using s3 = await startScriptedS3((_call, response) => fail(response));
		await using store = openStore(s3);
		const words = expect.stringContaining('broke the connection') as string;
		await expect(store.get('v/1')).rejects.toMatchObject({ code: UNAVAILABLE, message: words });
		expect(s3.calls.length).toBe(3);
	});

	it('cut in the middle of a put: once is tried again, always is a failure', async () => {
		const bytes = new Uint8Array(8 * 1024 * 1024);
		for (const [cutCount, isGood] of [
			[1, true],
			[10, false],
		] as const) {
			await using s3 = await startScriptedS3(
				(_call, response, attempt) => {
					if (attempt <= cutCount) {
						response.destroy();
					} else {
						response.req.resume().on('end', () => response.end());
					}
				},
				{ onHeaders: true },
			);
			await using store = openStore(s3);
			const put = store.put('v/1', bytes);
			await (isGood ? put : expect(put).rejects.toMatchObject({ code: UNAVAILABLE }));
			expect(s3.calls.length).toBe(isGood ? 2 : 3);
		}
	});

	it('a refusal before the body was read keeps its sentence', async () => {
		await using s3 = await startScriptedS3(
			(_call, response) => answerError(response, 403, 'InvalidAccessKeyId', { connection: 'close' }),
			{ onHeaders: true },
		);
		await using store = openStore(s3);
		await expect(store.put('v/1', new Uint8Array(8 * 1024 * 1024))).rejects.toMatchObject({
			message: expect.stringContaining('does not know the access key') as string,
		});
	});
});

describe('a service that is slow', () => {
	const silent: S3Script = () => undefined;
	const halfAnswer: S3Script = (_call, response) => {
		response.writeHead(200, { 'content-length': 10 });
		response.write('01234');
	};

	it.each([
		['never answers', silent],
		['stops in the middle of an answer', halfAnswer],
	])('%s: a failure by the deadline, without another try', async (_kind, script) => {
		await using s3 = await startScriptedS3(script);
		await using store = openStore(s3, 300);
		const startedAtMs = performance.now();
		const words = expect.stringContaining('has not answered within 0.3 s') as string;
		await Promise.all([
			expect(store.put('v/1', Buffer.from('x'))).rejects.toMatchObject({ code: UNAVAILABLE, message: words }),
			expect(store.get('v/1')).rejects.toMatchObject({ code: UNAVAILABLE, message: words }),
			expect(store.delete(['v/1'])).rejects.toMatchObject({ code: UNAVAILABLE, message: words }),
		]);
		expect(performance.now() - startedAtMs).toBeLessThan(2000);
		expect(s3.calls.length).toBe(3);
	});

	it('gets more time for more bytes', async () => {
		await using s3 = await startScriptedS3((_call, response) => void setTimeout(() => response.end(), 600));
		await using store = openStore(s3, 300);
		// At 1 Mbit/s it takes 0.8 s.
		await store.put('v/1', new Uint8Array(100_000));
	});

	it('gets few connections, and no endless queue', async () => {
		await using s3 = await startScriptedS3(silent);
		const store = openStore(s3);
		const gets = Array.from({ length: 1001 }, () => store.get('v/1').catch((error: unknown) => error));
		await expect(gets.at(-1)).resolves.toMatchObject({
			message: expect.stringContaining('1000 requests wait for the S3 service') as string,
		});
		await store.close();
		const results = await Promise.all(gets);
		expect(results.filter((result) => (result as { code: string }).code === 'SERVER_STOPPING').length).toBe(1000);
		expect(s3.maxConnections).toBeLessThanOrEqual(32);
	});
});

describe('a service that cannot be reached', () => {
	it('refuses connections, has no name, or speaks no TLS', async () => {
		const s3 = await startScriptedS3((_call, response) => void response.end());
		const { options } = s3;
		const explain = async (endpoint: string): Promise<unknown> => {
			await using store = new S3Store(deps, { ...options, endpoint, timeoutMs: 5000 });
			return await store.get('v/1').catch((error: unknown) => (error as Error).message);
		};
		expect(await explain(options.endpoint.replace('http:', 'https:'))).toContain('TLS with the S3 service');
		await s3[Symbol.asyncDispose]();
		expect(await explain(options.endpoint)).toContain('cannot be reached (ECONNREFUSED)');
		expect(await explain('http://nowhere.invalid')).toContain('the name of the S3 service nowhere.invalid');
	});
});

describe('requests', () => {
	it('have a length, a checksum and a type, below the prefix', async () => {
		await using s3 = await startScriptedS3((_call, response) => void response.end());
		await using store = openStore(s3);
		await store.put('v/1/init.mp4', Buffer.from('abc'));
		await store.put('v/1/empty', new Uint8Array(0));
		expect(s3.calls.map(({ method, url, headers }) => [method, url, headers['content-length']])).toEqual([
			['PUT', '/recordings/live/v/1/init.mp4', '3'],
			['PUT', '/recordings/live/v/1/empty', '0'],
		]);
		const { headers } = s3.calls[0]!;
		expect(headers).toMatchObject({
			'content-type': 'video/mp4',
			'content-md5': createHash('md5').update('abc').digest('base64'),
		});
		expect(headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/us-east-1\/s3\/aws4_request, /);
	});

	it('cuts a range out of an answer that has the whole object, and refuses another range', async () => {
		await using whole = await startScriptedS3((_call, response) => void response.end('0123456789'));
		await using store = openStore(whole);
		const { bytes, totalBytes } = await store.get('v/1', { startByte: 2, endByte: 4 });
		expect([Buffer.from(bytes).toString(), totalBytes]).toEqual(['23', 10]);
		await using other = await startScriptedS3((_call, response) => {
			response.writeHead(206, { 'content-range': 'bytes 5-6/10' }).end('56');
		});
		await using otherStore = openStore(other);
		await expect(otherStore.get('v/1', { startByte: 2, endByte: 4 })).rejects.toMatchObject({ code: UNAVAILABLE });
	});

	it('asks for the size where 416 does not have it', async () => {
		await using s3 = await startScriptedS3(({ method }, response) => {
			response.writeHead(method === 'HEAD' ? 200 : 416, { 'content-length': method === 'HEAD' ? 7 : 0 }).end();
		});
		await using store = openStore(s3);
		const { bytes, totalBytes } = await store.get('v/1', { startByte: 100, endByte: 200 });
		expect([bytes.length, totalBytes]).toEqual([0, 7]);
	});

	it('deletes one by one where the service cannot delete many, and remembers that', async () => {
		await using s3 = await startScriptedS3(({ method }, response) =>
			method === 'POST' ? answerError(response, 501, 'NotImplemented') : void response.writeHead(204).end(),
		);
		await using store = openStore(s3);
		await store.delete(['v/1', 'v/2', 'v/3']);
		await store.delete(['v/4', 'v/5']);
		expect(s3.calls.map(({ method }) => method).toSorted()).toEqual([...Array<string>(5).fill('DELETE'), 'POST']);
	});

	it('deletes a thousand at once, and reports what the service refuses', async () => {
		await using s3 = await startScriptedS3(({ body }, response) => {
			const refused = body.includes('live/v/1500<')
				? '<Error><Key>live/v/1500</Key><Code>AccessDenied</Code></Error>'
				: '';
			response.end(`<DeleteResult><Error><Key>x</Key><Code>NoSuchKey</Code></Error>${refused}</DeleteResult>`);
		});
		await using store = openStore(s3);
		await store.delete(Array.from({ length: 1001 }, (_, index) => `v/${index}`));
		expect(s3.calls.map(({ method }) => method)).toEqual(['POST', 'DELETE']);
		expect(s3.calls[0]!.headers['content-md5']).toMatch(/^[A-Za-z0-9+/]{22}==$/);
		await expect(store.delete(['v/1500', 'v/1501'])).rejects.toMatchObject({
			message: expect.stringContaining('refuses to delete 1 objects (AccessDenied)') as string,
		});
	});

	it('follows the pages of a list, without what cannot be ours', async () => {
		const page = (keys: string[], next: string): string =>
			`<ListBucketResult><Prefix>live/v/</Prefix><IsTruncated>${next !== ''}</IsTruncated>${keys
				.map((key) => `<Contents><Key>${key}</Key></Contents>`)
				.join('')}<NextContinuationToken>${next}</NextContinuationToken></ListBucketResult>`;
		await using s3 = await startScriptedS3(({ url }, response) => {
			const token = new URL(url, 'http://x').searchParams.get('continuation-token');
			if (token === null) {
				response.end(page(['live/v/1', 'live/v/.hidden', 'live/v/a &amp; b'], 'a+/=&amp;b'));
			} else {
				response.end(token === 'a+/=&b' ? page(['live/v/2', 'other/v/3'], 'loop') : page(['live/v/4'], 'loop'));
			}
		});
		await using store = openStore(s3);
		const names: string[] = [];
		const listing = (async () => {
			for await (const name of store.list('v/')) {
				names.push(name);
			}
		})();
		await expect(listing).rejects.toMatchObject({ message: expect.stringContaining('same page') as string });
		expect(names).toEqual(['v/1', 'v/2', 'v/4']);
	});

	it('are signed for at most five minutes, and only with a public address', async () => {
		await using s3 = await startScriptedS3((_call, response) => void response.end());
		await using store = openStore(s3);
		await expect(store.presign('v/1', 60)).resolves.toBeUndefined();
		for (const seconds of [0, 301, 1.5, NaN]) {
			await expect(store.presign('v/1', seconds)).rejects.toThrow(TypeError);
		}
		await using other = new S3Store(deps, { ...s3.options, publicEndpoint: 'https://media.example.org' });
		const address = new URL((await other.presign('v/1.m4s', 300))!);
		expect(address.href).toMatch(/^https:\/\/media\.example\.org\/recordings\/live\/v\/1\.m4s\?/);
		expect(address.searchParams.get('X-Amz-Expires')).toBe('300');
		expect(address.searchParams.get('X-Amz-Signature')).toMatch(/^[0-9a-f]{64}$/);
		expect(s3.calls).toEqual([]);
	});
});
