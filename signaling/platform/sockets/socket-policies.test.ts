/** Tests of origin check, outbound queue and socket admission. */
import { describe, expect, it } from 'vitest';
import { OriginCheck } from './origin-check.ts';
import { HARD_LIMIT_BYTES, MAX_DROPPING_MS, OutboundQueue, SOFT_LIMIT_BYTES } from './outbound-queue.ts';
import { SocketAdmission } from './socket-admission.ts';

describe('OriginCheck', () => {
	const check = new OriginCheck(['https://example.org', 'https://Partner.example:8443/']);

	it.each([
		[undefined, 'localhost:8080'],
		['http://localhost:8080', 'localhost:8080'],
		['https://live.example.net', 'live.example.net'],
		['https://live.example.net', 'live.example.net:443'],
		['https://live.example.net', 'LIVE.example.net'],
		['http://[::1]:8080', '[::1]:8080'],
		['https://example.org', 'live.example.net'],
		['https://partner.example:8443', 'live.example.net'],
	])('allows %s at %s', (origin, host) => {
		expect(check.isAllowed(origin, host)).toBe(true);
	});

	it.each([
		['https://evil.example', 'live.example.net'],
		['null', 'live.example.net'],
		['', 'live.example.net'],
		['file://', 'live.example.net'],
		['http://live.example.net:81', 'live.example.net'],
		['https://live.example.net.evil.example', 'live.example.net'],
		['https://live.example.net@evil.example', 'live.example.net'],
		['https://evil.example/live.example.net', 'live.example.net'],
		['http://example.org', 'live.example.net'],
		['https://live.example.net', undefined],
		['https://live.example.net', 'a b'],
		['https://live.example.net https://evil.example', 'live.example.net'],
	])('rejects "%s" at %s', (origin, host) => {
		expect(check.isAllowed(origin, host)).toBe(false);
	});
});

describe('OutboundQueue', () => {
	const socket = { bufferedAmount: 0, sent: 0, send: () => void socket.sent++ };

	it('drops chat before decisions, and reports a socket that stays slow', () => {
		const queue = new OutboundQueue(socket);
		expect(queue.send('x', 'droppable', 0)).toBe('sent');
		socket.bufferedAmount = SOFT_LIMIT_BYTES + 1;
		expect([queue.send('x', 'droppable', 0), queue.send('x', 'vital', 0)]).toEqual(['dropped', 'sent']);
		expect(queue.send('x', 'droppable', MAX_DROPPING_MS)).toBe('dropped');
		expect(queue.send('x', 'droppable', MAX_DROPPING_MS + 1)).toBe('too-slow');
		socket.bufferedAmount = 0;
		expect(queue.send('x', 'droppable', MAX_DROPPING_MS + 2)).toBe('sent');
		socket.bufferedAmount = SOFT_LIMIT_BYTES + 1;
		expect(queue.send('x', 'droppable', 2 * MAX_DROPPING_MS)).toBe('dropped');
		socket.bufferedAmount = HARD_LIMIT_BYTES + 1;
		expect(queue.send('x', 'vital', 0)).toBe('too-slow');
		expect(queue.droppedCount).toBe(4);
	});
});

describe('SocketAdmission', () => {
	it('bounds sockets by address and in total, and releases a place once', () => {
		const admission = new SocketAdmission({ maxSockets: 4, maxSocketsPerAddress: 2 });
		const displaced: string[] = [];
		const admit = (address: string): (() => void) | undefined =>
			admission.admit({ address, isKnown: false }, () => displaced.push(address));
		const first = admit('2001:db8::1')!;
		admit('2001:db8::2');
		expect(admit('2001:db8::3')).toBeUndefined();
		expect(admission.hasRoom({ address: '2001:db8::4', isKnown: true })).toBe(false);
		first();
		first();
		expect(admission.count).toBe(1);
		expect(admit('2001:db8::5')).toBeDefined();
		admit('192.0.2.2');
		admit('192.0.2.3');
		expect(displaced).toEqual([]);
		expect(admission.hasRoom({ address: '192.0.2.3', isKnown: false })).toBe(false);
		expect(admit('192.0.2.4')).toBeDefined();
		expect(displaced).toEqual(['2001:db8::5']);
		expect(admit('192.0.2.5')).toBeUndefined();
	});

	it('reserves some places for signed-in users', () => {
		const admission = new SocketAdmission({ maxSockets: 10, maxSocketsPerAddress: 3 });
		const admit = (address: string, isKnown: boolean): boolean =>
			admission.admit({ address, isKnown }, () => undefined) !== undefined;
		const guests = Array.from({ length: 10 }, (_, index) => admit(`192.0.2.${index}`, false));
		expect(guests.filter(Boolean)).toHaveLength(9);
		expect(admit('198.51.100.1', true)).toBe(true);
		expect(admit('198.51.100.2', true)).toBe(false);
	});

	it('does not bound sockets from a proxy on this machine', () => {
		const admission = new SocketAdmission({ maxSockets: 10, maxSocketsPerAddress: 1 });
		for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
			for (let round = 0; round < 2; round++) {
				expect(admission.admit({ address, isKnown: false }, () => undefined)).toBeDefined();
			}
		}
	});
});
