/** Tests of sessions with noise and damaged captures: nothing is thrown, memory is bounded, each end has a reason. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { DEFAULT_RTMP_SERVER_CONFIG } from './rtmp-server.ts';
import type { RtmpPublisher } from './rtmp-publisher.ts';
import { RtmpSession } from './rtmp-session.ts';
import { FFMPEG_SESSION, OBS_SESSION } from '../../core/wire/rtmp/testing/captured-sessions.ts';
import {
	concat,
	EncoderDouble,
	hex,
	IDR_NAL,
	legacy,
	lengthPrefixed,
	SLICE_NAL,
} from '../../core/wire/rtmp/testing/encoder-double.ts';
import { FakeConnection } from './testing/fake-connection.ts';

const LIMITS = { ...DEFAULT_RTMP_SERVER_CONFIG, maxMessageBytes: 60_000, maxBufferedBytes: 100_000 };

const encoder = new EncoderDouble();
const media = concat(
	encoder.headers(),
	encoder.video(0, legacy.picture(lengthPrefixed([IDR_NAL]), { isKey: true })),
	...[33, 66, 100].map((timeMs) => encoder.video(timeMs, legacy.picture(lengthPrefixed([SLICE_NAL])))),
	encoder.audio(5, legacy.aacFrame(hex('21100504'))),
	encoder.command(['FCUnpublish', 6, null, 'goodkey']),
);
const captures = [OBS_SESSION, FFMPEG_SESSION].map((session) => concat(session, media));

const mutation = fc.oneof(
	fc.record({ kind: fc.constant('set' as const), at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) }),
	fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 40 }) }),
	fc.record({
		kind: fc.constant('insert' as const),
		at: fc.nat(),
		bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
	}),
	fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(), count: fc.integer({ min: 1, max: 200 }) }),
);

function mutate(
	bytes: Uint8Array,
	change: typeof mutation extends fc.Arbitrary<infer Change> ? Change : never,
): Uint8Array {
	const at = change.at % bytes.length;
	switch (change.kind) {
		case 'set': {
			const copy = bytes.slice();
			copy[at] = change.byte;
			return copy;
		}
		case 'cut':
			return concat(bytes.subarray(0, at), bytes.subarray(at + change.count));
		case 'insert':
			return concat(bytes.subarray(0, at), change.bytes, bytes.subarray(at));
		case 'repeat':
			return concat(bytes.subarray(0, at + change.count), bytes.subarray(at));
	}
}

async function run(bytes: Uint8Array, pieceBytes: number): Promise<string> {
	const clock = new FakeClock();
	const logger = new RecordingLogger();
	const connection = new FakeConnection();
	const publisherEnds: string[] = [];
	let publisherCount = 0;
	const deps = {
		connection,
		clock,
		logger,
		authorize: () => Promise.resolve('anybody'),
		onPublisher: (publisher: RtmpPublisher) => {
			publisherCount++;
			publisher.on('closed', (reason) => publisherEnds.push(reason));
		},
	};
	const session = new RtmpSession<string>(deps, LIMITS);
	for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
		session.receive(bytes.subarray(offset, offset + pieceBytes));
		expect(session.bufferedBytes).toBeLessThanOrEqual(2 * LIMITS.maxBufferedBytes);
		await Promise.resolve();
	}
	await clock.advance(60_000);
	// Deadlines end every session.
	expect(session.endReason).toBeDefined();
	expect(session.endReason).not.toBe('internal-error');
	// All publishers end, and only the last one may end with its connection; the others by unpublishing.
	expect(publisherEnds).toHaveLength(publisherCount);
	expect(publisherEnds.slice(0, -1).every((reason) => reason === 'unpublished')).toBe(true);
	expect(['unpublished', session.endReason, undefined]).toContain(publisherEnds.at(-1));
	expect(connection.endCount).toBe(1);
	expect(clock.pendingCount).toBe(0);
	expect(logger.lines.filter((line) => line.level === 'error')).toEqual([]);
	expect(session.bufferedBytes).toBeLessThanOrEqual(2 * LIMITS.maxBufferedBytes);
	return publisherEnds.at(-1) ?? session.endReason!;
}

describe('RtmpSession with damaged input', () => {
	it('ends captures that are not damaged as unpublished', async () => {
		for (const capture of captures) {
			expect(await run(concat(encoder.handshake(), capture), 700)).toBe('unpublished');
		}
	});

	it('survives mutated captures of OBS and FFmpeg', { timeout: 60_000 }, async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.constantFrom(...captures),
				fc.array(mutation, { minLength: 1, maxLength: 6 }),
				fc.integer({ min: 20, max: 3000 }),
				async (capture, changes, pieceBytes) => {
					const damaged = changes.reduce(mutate, capture);
					await run(concat(encoder.handshake(), damaged), pieceBytes);
				},
			),
			{ numRuns: 600 },
		);
	});

	it('survives noise, before and after the handshake', { timeout: 60_000 }, async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.uint8Array({ maxLength: 4000 }),
				fc.boolean(),
				fc.integer({ min: 50, max: 2000 }),
				async (noise, isBehind, pieceBytes) => {
					await run(isBehind ? concat(encoder.handshake(), noise) : noise, pieceBytes);
				},
			),
			{ numRuns: 300 },
		);
	});

	it('survives commands and media with any body', { timeout: 60_000 }, async () => {
		const message = fc.tuple(
			fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 9, 15, 17, 18, 20, 22, 99),
			fc.uint8Array({ maxLength: 120 }),
			fc.nat(255),
		);
		await fc.assert(
			fc.asyncProperty(fc.array(message, { maxLength: 20 }), async (sent) => {
				const double = new EncoderDouble();
				const start = concat(double.handshake(), double.connect(), double.publish('x'), double.headers());
				// Without a writer, which applies the chunk sizes that it writes, and refuses broken ones.
				const bytes = sent.map(([typeId, payload, seed]) =>
					concat(Uint8Array.of(4, 0, 0, seed, 0, 0, payload.length, typeId, 1, 0, 0, 0), payload),
				);
				await run(concat(start, ...bytes), 500);
			}),
			{ numRuns: 300 },
		);
	});
});
