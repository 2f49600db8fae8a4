/** Tests of untrusted messages from the socket. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import { joinMessage } from '../testing/audience-bench.ts';
import { parseClientMessage } from './message-parser.ts';

const JOIN = joinMessage();
const STATISTICS = {
	type: 'statistics',
	tier: 'webrtc',
	state: 'playing',
	latencyMs: 200,
	stallCount: 0,
	stalledForMs: 0,
	shownFrameCount: 10,
	droppedFrameCount: 0,
	bitrateBps: 1e6,
} as const;
const VALID: readonly ClientMessage[] = [
	JOIN,
	{ ...JOIN, resumeToken: 'x', playingTier: 'll-hls', lastChatId: '1-0' },
	{ type: 'clock', clientSentMs: 1.5 },
	{ type: 'tier-playing', decisionId: 1, tier: 'll-hls' },
	{ type: 'tier-failed', decisionId: 1, tier: 'webrtc', cause: 'blocked' },
	{ type: 'pin', isPinnedToHls: true },
	STATISTICS,
	{ type: 'chat-send', draftId: 'a', text: 'hello' },
	{ type: 'chat-moderate', action: 'timeout', userName: 'somebody', seconds: 60 },
];

describe('parseClientMessage', () => {
	it.each(VALID.map((message) => [message.type, message]))('reads %s', (_type, message) => {
		expect(parseClientMessage(JSON.stringify(message))).toEqual({ message });
	});

	it.each([
		['no JSON', '{', 'not JSON'],
		['an array', '[]', 'not an object'],
		['null', 'null', 'not an object'],
		['no type', '{}', 'type is not known'],
		['a type of the server', '{"type":"joined"}', 'type is not known'],
		['an inherited name', '{"type":"constructor"}', 'type is not known'],
		['an unknown field', JSON.stringify({ ...JOIN, admin: true }), 'join'],
		['a missing field', '{"type":"clock"}', 'clock must have required properties clientSentMs'],
		['a wrong kind of value', '{"type":"clock","clientSentMs":"1"}', 'clock/clientSentMs must be number'],
		['a value out of range', JSON.stringify({ ...STATISTICS, latencyMs: 1e9 }), 'statistics/latencyMs must be <='],
		['too long a text', JSON.stringify({ type: 'chat-send', draftId: 'a', text: 'x'.repeat(4001) }), 'chat-send/text'],
		['too long a message', JSON.stringify({ type: 'chat-send', text: 'x'.repeat(20_000) }), 'too long'],
	])('refuses %s', (_what, text, detail) => {
		const parsed = parseClientMessage(text);
		expect(parsed).toMatchObject({ refusal: 'malformedMessage' });
		expect('detail' in parsed && parsed.detail).toContain(detail);
	});

	it.each([0, 2, '1', undefined])('refuses version %s of the protocol with a separate code', (protocol) => {
		expect(parseClientMessage(JSON.stringify({ ...JOIN, protocol }))).toMatchObject({ refusal: 'protocolUnsupported' });
	});

	it('never throws, and accepts nothing but messages', () => {
		const types = VALID.map(({ type }) => type);
		fc.assert(
			fc.property(
				fc.oneof(
					fc.string(),
					fc.json(),
					fc
						.tuple(fc.constantFrom(...types), fc.dictionary(fc.string(), fc.jsonValue()))
						.map(([type, fields]) => JSON.stringify({ ...fields, type })),
					fc
						.tuple(fc.constantFrom(...VALID), fc.string(), fc.jsonValue())
						.map(([message, name, value]) => JSON.stringify({ ...message, [name]: value })),
				),
				(text) => {
					const parsed = parseClientMessage(text);
					if ('message' in parsed) {
						expect(types).toContain(parsed.message.type);
						expect(Object.keys(parsed.message).length).toBeLessThanOrEqual(10);
					} else {
						expect(parsed.detail.length).toBeLessThan(300);
					}
				},
			),
			{ numRuns: 2000 },
		);
	});
});
