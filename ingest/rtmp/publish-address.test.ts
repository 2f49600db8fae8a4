/** Tests of publish-address.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findStreamKeys, MAX_KEY_CANDIDATES, WHERE_KEYS_BELONG, type PublishAddress } from './publish-address.ts';

const KEY = 'live_0123456789abcdefghjkmnpqrstvwxyz';
const find = (app: string, streamName: string, tcUrl = `rtmp://host:1935/${app}`) =>
	findStreamKeys({ app, tcUrl, streamName });

describe('findStreamKeys', () => {
	it.each([
		['live', KEY],
		['live', ` ${KEY}\r\n`],
		['live', `/${KEY}`],
		['live/', `/${KEY}/`],
		['live', `${KEY}?x=1`],
		['live', `cam?key=${KEY}`],
		['live', `?key=${KEY}`],
		['live', `key=${KEY}`],
		['live', `cam?token=${KEY}&x=1`],
		['live', `cam?streamkey=${KEY}`],
		['live', `cam?Stream_Key=${KEY}`],
		['live', `demo?user=demo&pass=${KEY}`],
		['live', `demo?username=demo&password=${KEY}`],
		['live', `cam%3Fkey%3D${KEY}`],
		['live', `"${KEY}"`],
		['live', `\u200b${KEY}\ufeff`],
		['live', `${KEY} live=1 timeout=5`],
		['live', `rtmp://host/live/${KEY}`],
		['live', KEY.toUpperCase()],
		['live', `L${KEY.slice(1)}`],
		[`live?key=${KEY}`, 'cam'],
		[`live?user=demo&pass=${KEY}`, 'cam'],
		[`live/${KEY}`, ''],
		[`live/${KEY}/`, ''],
		['', `live/${KEY}`],
		['', KEY],
		['/live/', KEY],
		['LIVE', KEY],
		[' live ', KEY],
		[KEY, ''],
		[`${KEY}/`, ''],
	])('tries the key first: app %j, name %j', (app, name) => {
		expect(find(app, name)[0]).toBe(KEY);
		// Also without the address, which some encoders leave out.
		expect(find(app, name, '')[0]).toBe(KEY);
	});

	it.each([
		[`live/${KEY}`, 'stream1', undefined],
		[KEY, 'stream1', undefined],
		['live', `${KEY}/cam`, undefined],
		['live', 'cam', `rtmp://demo:${KEY}@host/live`],
		['live', 'cam', `rtmp://${KEY}@host/live`],
		['live', 'cam', `rtmp://host/live/${KEY}`],
		['live', '', `rtmp://host/live?key=${KEY}`],
		['', '', `rtmp://host/${KEY}`],
	])('tries the key among other candidates: app %j, name %j, address %j', (app, name, tcUrl) => {
		expect(find(app, name, tcUrl)).toContain(KEY);
	});

	it.each([
		['live', ''],
		['', ''],
		['LIVE/', ' / '],
		['live?key=', ''],
		['live', 'x'.repeat(257)],
		['live', '?'],
	])('finds none: app %j, name %j', (app, name) => {
		expect(find(app, name)).toEqual([]);
	});

	it.each(['my key', '100%41', 'a=b', 'Grüße+1', 'KEY'])('also tries a key as it was chosen by hand: %j', (key) => {
		expect(find('live', key)).toContain(key);
		expect(find('live', encodeURIComponent(key))).toContain(key);
	});

	it('finds a key in every place and spelling that users choose', { timeout: 60_000 }, () => {
		const keys = fc.string({
			unit: fc.constantFrom(...'0123456789abcdefghjkmnpqrstvwxyz_-'),
			minLength: 9,
			maxLength: 60,
		});
		const blanks = fc.constantFrom('', ' ', '\r\n', '\t', '\u00a0');
		const slashes = fc.constantFrom('', '/', '//');
		const app = fc.constantFrom('live', 'LIVE', 'Live', '', 'app');
		const ownName = fc.constantFrom('cam', 'stream1', 'obs');
		const parameter = fc.constantFrom('key', 'KEY', 'token', 'streamkey', 'stream_key', 'pass', 'password');
		const further = fc.constantFrom('', '&x=1', '&ts=1&user=demo');
		const words = fc.record({ path: app, slash: slashes, name: ownName, field: parameter, rest: further });
		type Words = typeof words extends fc.Arbitrary<infer Value> ? Value : never;
		const place = fc.constantFrom<((key: string, words: Words) => PublishAddress)[]>(
			(key, { path, slash }) => address(path + slash, slash + key + slash),
			(key, { path, slash }) => address(`${path}/${key}${slash}`, ''),
			(key, { path, name }) => address(`${path}/${key}`, name),
			(key) => address(key, ''),
			(key, { name, field, rest }) => address('live', `${name}?${field}=${key}${rest}`),
			(key, { name, field, rest }) => address(`live?${field}=${key}${rest}`, name),
			(key, { name }) => ({ app: 'live', streamName: name, tcUrl: `rtmp://me:${key}@host:1935/live` }),
		);
		fc.assert(
			fc.property(keys, place, words, blanks, fc.boolean(), (key, put, own, blank, isEscaped) => {
				const written = isEscaped ? [...key].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join('') : key;
				const found = findStreamKeys(put(blank + written + blank, own));
				expect(found).toContain(key);
				expect(found.length).toBeLessThanOrEqual(MAX_KEY_CANDIDATES);
				expect(WHERE_KEYS_BELONG).not.toContain(key);
			}),
			{ numRuns: 200 },
		);
	});

	it('never throws, and finds at most three, none of them empty, padded or long', { timeout: 60_000 }, () => {
		const text = fc.oneof(
			fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('utf8')),
			fc.string({ unit: fc.constantFrom(...'rtmp:/@?&=% live"KEY\n'), maxLength: 60 }),
		);
		fc.assert(
			fc.property(text, text, text, (app, streamName, tcUrl) => {
				const found = findStreamKeys({ app, streamName, tcUrl });
				expect(found.length).toBeLessThanOrEqual(MAX_KEY_CANDIDATES);
				expect(new Set(found).size).toBe(found.length);
				for (const key of found) {
					expect(key).toBe(key.trim());
					expect(key.length).toBeGreaterThan(0);
					expect(key.length).toBeLessThanOrEqual(256);
				}
			}),
			{ numRuns: 200 },
		);
	});
});

function address(app: string, streamName: string): PublishAddress {
	return { app, streamName, tcUrl: `rtmp://host:1935/${app}` };
}
