/** Readings from a WebRTC stats report. */
import { describe, expect, it } from 'vitest';
import { EMPTY_CONNECTION_READING } from './playback.ts';
import { readWebrtcStats } from './webrtc-readings.ts';

describe('readWebrtcStats', () => {
	it('measures nothing in an empty report', () => {
		const { reading } = readWebrtcStats([], { delaySeconds: 0, emittedCount: 0 });
		expect(reading).toEqual(EMPTY_CONNECTION_READING);
	});

	it('combines video, audio, codecs and the path in use', () => {
		const report = [
			{
				id: 'v',
				type: 'inbound-rtp',
				kind: 'video',
				bytesReceived: 1000,
				packetsLost: 2,
				framesDropped: 1,
				codecId: 'cv',
				jitterBufferDelay: 5,
				jitterBufferEmittedCount: 130,
			},
			{ id: 'a', type: 'inbound-rtp', kind: 'audio', bytesReceived: 100, codecId: 'ca' },
			{ id: 'cv', type: 'codec', mimeType: 'video/H264' },
			{ id: 'ca', type: 'codec', mimeType: 'audio/opus' },
			{ id: 't', type: 'transport', selectedCandidatePairId: 'p2' },
			{ id: 'p1', type: 'candidate-pair', currentRoundTripTime: 9 },
			{ id: 'p2', type: 'candidate-pair', currentRoundTripTime: 0.004, localCandidateId: 'l' },
			{ id: 'l', type: 'local-candidate', protocol: 'udp' },
		];
		expect(readWebrtcStats(report, { delaySeconds: 4.4, emittedCount: 100 }).reading).toEqual({
			...EMPTY_CONNECTION_READING,
			receivedBytes: 1100,
			framesDroppedCount: 1,
			videoCodec: 'H264',
			audioCodec: 'opus',
			transport: 'udp',
			roundTripMs: 4,
			packetsLostCount: 2,
			jitterBufferMs: expect.closeTo(20, 6) as number,
		});
	});
});
