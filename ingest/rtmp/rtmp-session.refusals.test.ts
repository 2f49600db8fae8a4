/** Tests of rtmp-session.ts: refused keys and broken protocol. */
import { describe, expect, it } from 'vitest';
import { SpillwayError, type ErrorCode } from '../../core/errors/errors.ts';
import { WHERE_KEYS_BELONG } from './publish-address.ts';
import { concat, type EncoderDouble, hex } from '../../core/wire/rtmp/testing/encoder-double.ts';
import { KEY, trackBenches } from './testing/session-bench.ts';

const { setUp, publishing } = trackBenches();

describe('RtmpSession, refusals (R-14)', () => {
	it('answers a wrong key after a delay, then closes', async () => {
		const bench = setUp();
		const { session, encoder, clock, connection } = bench;
		session.receive(concat(encoder.handshake(), encoder.connect(), encoder.publish('wrong')));
		await clock.advance(999);
		expect(connection.statusCodes).toEqual([]);
		await clock.advance(1);
		expect(connection.commands.at(-1)).toEqual([
			'onStatus',
			0,
			null,
			{
				level: 'error',
				code: 'NetStream.Publish.Denied',
				description: `The stream key was not accepted. Copy it again from your dashboard. ${WHERE_KEYS_BELONG}`,
			},
		]);
		expect(session.endReason).toBe('refused');
		expect(bench.publisher).toBeUndefined();
	});

	it.each([
		'TOO_MANY_ATTEMPTS',
		'TAKE_OVERS_TOO_FREQUENT',
		'DATABASE_UNAVAILABLE',
		'SERVER_STOPPING',
	] satisfies ErrorCode[])('answers %s with Rejected', async (errorCode) => {
		const { session, connection, clock } = await publishing({
			authorize: () => Promise.reject(new SpillwayError(errorCode)),
		});
		await clock.advance(0);
		expect(connection.statusCodes).toEqual(['NetStream.Publish.Rejected']);
		expect(session.endReason).toBe('refused');
	});

	it('logs a bug in the key check, and does not send it to the encoder', async () => {
		const { connection, logger } = await publishing({
			authorize: () => {
				throw new TypeError('broken');
			},
		});
		expect(connection.statusCodes).toEqual(['NetStream.Publish.Rejected']);
		expect(JSON.stringify(connection.commands)).not.toContain('broken');
		expect(logger.lines).toContainEqual(
			expect.objectContaining({ level: 'error', message: 'checking a stream key failed' }),
		);
	});

	it('answers where the key belongs when there is none, without a key check', async () => {
		const asked: string[] = [];
		const { session, encoder, clock, connection } = setUp({
			authorize: (keys) => Promise.resolve(String(asked.push(...keys))),
		});
		session.receive(concat(encoder.handshake(), encoder.connect(), encoder.publish('')));
		await clock.advance(1000);
		expect(asked).toEqual([]);
		expect(connection.statusCodes).toHaveLength(1);
		expect(connection.commands.at(-1)).toMatchObject([
			...['onStatus', 0, null],
			{ code: 'NetStream.Publish.Denied', description: `No stream key was found. ${WHERE_KEYS_BELONG}` },
		]);
	});

	it('checks all candidates of an address as one attempt, and repeats none of them', async () => {
		const asked: (readonly string[])[] = [];
		const { session, encoder, clock, connection, logger } = setUp({
			authorize: (keys) => {
				asked.push(keys);
				return Promise.reject(new SpillwayError('STREAM_KEY_REFUSED'));
			},
		});
		session.receive(
			concat(
				encoder.handshake(),
				encoder.connect({ app: 'live/wrong-1', tcUrl: 'rtmp://me:wrong-2@host/live/wrong-1' }),
				encoder.publish('wrong-3?key=wrong-4'),
			),
		);
		await clock.advance(1000);
		expect(asked).toEqual([['wrong-4', 'wrong-2', 'wrong-3']]);
		expect(connection.statusCodes).toEqual(['NetStream.Publish.Denied']);
		expect(JSON.stringify([connection.commands, logger.lines])).not.toMatch(/wrong-\d/);
	});

	it('refuses to play', () => {
		const { session, encoder, connection } = setUp();
		session.receive(concat(encoder.handshake(), encoder.connect(), encoder.command(['play', 5, null, 'x'], 1)));
		expect(connection.statusCodes).toEqual(['NetStream.Play.Failed']);
		expect(session.endReason).toBe('refused');
	});
});

describe('RtmpSession, broken protocol (RX-6)', () => {
	it.each<[string, (encoder: EncoderDouble) => Uint8Array[], RegExp]>([
		['publish before connect', (encoder) => [encoder.publish(KEY)], /publish before connect/],
		['a second connect', (encoder) => [encoder.connect(), encoder.connect()], /second connect/],
		['a command without a name', (encoder) => [encoder.command([1])], /without a name/],
		['a command in AMF3', (encoder) => [encoder.message(17, hex('03'))], /AMF3/],
		[
			'too many streams',
			(encoder) => [encoder.connect(), ...Array.from({ length: 17 }, () => encoder.command(['createStream', 2, null]))],
			/more than 16 streams/,
		],
		[
			'a strict array of 0xffffffff',
			(encoder) => [encoder.message(20, hex('0200016100ffffffffffffffff 0affffffff'))],
			/array of 4294967295/,
		],
		[
			'10 000 nested objects',
			(encoder) => [encoder.message(20, concat(...Array<Uint8Array>(10_000).fill(hex('03000161'))))],
			/nested deeper/,
		],
		['chunk size 0', () => [hex('02 000000 000004 01 00000000 00000000')], /chunk size of 0/],
		['a message of 16 MB', () => [hex('04 000000 ffffff 09 01000000')], /16777215 bytes/],
	])('ends the connection for %s, with one log line', (_name, messages, why) => {
		const { session, encoder, logger } = setUp();
		session.receive(concat(encoder.handshake(), ...messages(encoder)));
		expect(session.endReason).toBe('protocol-error');
		const lines = logger.lines.filter((line) => line.level !== 'debug');
		expect(lines).toHaveLength(1);
		expect(lines[0]!.fields['why']).toMatch(why);
	});

	it('ends the connection for HTTP, with one log line', () => {
		const { session, logger } = setUp();
		session.receive(new Uint8Array(Buffer.from('GET / HTTP/1.1\r\n\r\n')));
		expect(session.endReason).toBe('protocol-error');
		const lines = logger.lines.filter((line) => line.level !== 'debug');
		expect(lines).toMatchObject([{ fields: { why: expect.stringContaining('first byte is 71') as string } }]);
	});

	it('ends a publisher as well', async () => {
		const { session, encoder, events } = await publishing();
		session.receive(encoder.command([null]));
		expect(events).toEqual(['closed protocol-error']);
	});
});
