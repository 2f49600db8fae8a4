/**
 * Tests of rtmp-session.ts: encoders that unpublish, connections that publish again, and streams with unusable parts.
 */
import { describe, expect, it } from 'vitest';
import {
	AAC_48K_STEREO,
	concat,
	enhanced,
	hex,
	IDR_NAL,
	legacy,
	lengthPrefixed,
} from '../../core/wire/rtmp/testing/encoder-double.ts';
import { KEY, trackBenches } from './testing/session-bench.ts';

const { setUp, publishing } = trackBenches();

const keyFrame = legacy.picture(lengthPrefixed([IDR_NAL]), { isKey: true });

describe('RtmpSession, unpublishing and connections used again', () => {
	it.each([
		['deleteStream', 0],
		['deleteStream', 1],
		['FCUnpublish', KEY],
		['closeStream', undefined],
	])('answers %s before any publish, and waits for publish', async (name, argument) => {
		const { session, encoder, clock, connection } = setUp();
		session.receive(
			concat(encoder.handshake(), encoder.connect(), encoder.command([name, 7, null, argument]), encoder.publish(KEY)),
		);
		await clock.advance(0);
		expect(connection.commands[1]).toEqual(['_result', 7, null, undefined]);
		expect(session.state).toBe('publishing');
	});

	it('continues when another stream is deleted than the one that publishes', async () => {
		const { session, encoder, clock } = setUp();
		session.receive(
			concat(
				...[encoder.handshake(), encoder.connect()],
				...[encoder.command(['createStream', 2, null]), encoder.command(['createStream', 3, null])],
				encoder.command(['publish', 4, null, KEY, 'live'], 2),
			),
		);
		await clock.advance(0);
		session.receive(encoder.command(['deleteStream', 5, null, 1]));
		expect(session.state).toBe('publishing');
		session.receive(encoder.command(['deleteStream', 6, null, 2]));
		expect(session.state).toBe('connected');
	});

	it('publishes again on the same connection, as another publisher', async () => {
		const bench = await publishing();
		const { session, encoder, clock, connection, events } = bench;
		const first = bench.publisher!;
		session.receive(concat(encoder.headers(), encoder.video(0, keyFrame)));
		session.receive(
			concat(encoder.command(['FCUnpublish', 6, null, KEY]), encoder.command(['deleteStream', 7, null, 1])),
		);
		expect(session.state).toBe('connected');
		session.receive(concat(encoder.publish(KEY), encoder.headers(), encoder.video(40, keyFrame)));
		await clock.advance(0);
		expect(session.state).toBe('publishing');
		expect(bench.publisher!.id).not.toBe(first.id);
		// The first one has ended; closing it does not affect the second.
		await first.close('replaced');
		expect(session.state).toBe('publishing');
		expect(events).toEqual([
			...['config video', 'config audio', 'video 0', 'closed unpublished'],
			...['config video', 'config audio', 'video 40'],
		]);
		expect(connection.statusCodes).toEqual([
			...['NetStream.Publish.Start', 'NetStream.Unpublish.Success', 'NetStream.Publish.Start'],
		]);
	});

	it('closes a connection some time after it unpublished', async () => {
		const { session, encoder, clock } = await publishing();
		session.receive(encoder.command(['deleteStream', 7, null, 1]));
		await clock.advance(9999);
		expect(session.endReason).toBeUndefined();
		await clock.advance(1);
		expect(session.endReason).toBe('timed-out');
	});
});

describe('RtmpSession, unusable media', () => {
	const hevc = enhanced.video(1, 'hvc1', hex('00000011'));

	it('closes an encoder without usable media, with the reason', async () => {
		const { session, encoder, clock, connection, events } = await publishing();
		for (let second = 0; second < 5; second++) {
			session.receive(concat(encoder.video(second * 1000, hevc), encoder.audio(second * 1000, hex('2f ff fb'))));
			await clock.advance(1000);
		}
		expect(events).toEqual(['closed media-unusable']);
		expect(connection.commands.at(-1)).toMatchObject([
			...['onStatus', 0, null],
			{
				level: 'error',
				code: 'NetStream.Publish.Rejected',
				description: expect.stringMatching(/HEVC \(H\.265\).*Choose H\.264.*MP3.*Choose AAC/) as string,
			},
		]);
	});

	it('continues with sound alone, and keeps the reason why the picture is missing', async () => {
		const bench = await publishing();
		const { session, encoder, clock } = bench;
		session.receive(encoder.audio(0, legacy.aacHeader(AAC_48K_STEREO)));
		for (let second = 0; second < 60; second++) {
			session.receive(
				concat(encoder.video(second * 1000, hevc), encoder.audio(second * 1000, legacy.aacFrame(hex('21')))),
			);
			await clock.advance(1000);
		}
		expect(session.state).toBe('publishing');
		expect(bench.publisher!.problems).toMatchObject([{ kind: 'video', code: 'video-codec-unsupported' }]);
		expect(bench.lines.filter(({ fields }) => fields['code'] === 'video-codec-unsupported')).toHaveLength(1);
	});

	it('answers an encoder that announces only other codecs with the accepted ones', () => {
		const { session, connection, encoder } = setUp();
		session.receive(concat(encoder.handshake(), encoder.connect({ fourCcList: ['hvc1', 'av01'] })));
		expect(connection.commands[0]).toMatchObject([
			...['_result', 1],
			{ fourCcList: ['avc1', 'mp4a'] },
			{ description: 'Connection succeeded. This server takes H.264 (avc1) and AAC (mp4a) only.' },
		]);
	});
});
