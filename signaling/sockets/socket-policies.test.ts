/** Tests of the socket's small rules: origins, rates, queues, numbers of sockets. */
import { describe, expect, it } from 'vitest';
import { MessageRate } from './message-rate.ts';
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
	])('lets %s in at %s', (origin, host) => {
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
	])('keeps "%s" out at %s', (origin, host) => {
		expect(check.isAllowed(origin, host)).toBe(false);
	});
});

describe('MessageRate', () => {
	it('allows a burst, then a steady rate', () => {
		const rate = new MessageRate(0, 10, 3);
		expect([rate.take(0), rate.take(0), rate.take(0), rate.take(0)]).toEqual([true, true, true, false]);
		expect([rate.take(100), rate.take(100)]).toEqual([true, false]);
		expect([rate.take(1e6), rate.take(1e6), rate.take(1e6), rate.take(1e6)]).toEqual([true, true, true, false]);
	});
});

describe('OutboundQueue', () => {
	const socket = { bufferedAmount: 0, sent: 0, send: () => void socket.sent++ };

	it('drops chat before decisions, and sheds who stays slow', () => {
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
	it('bounds sockets by address and in all, and gives places back once', () => {
		const admission = new SocketAdmission({ maxSockets: 4, maxSocketsPerAddress: 2 });
		const admit = (address: string): (() => void) | string => {
			const answer = admission.admit(address);
			return 'refusal' in answer ? answer.refusal : answer.release;
		};
		const first = admit('192.0.2.1') as () => void;
		admit('192.0.2.1');
		expect(admit('192.0.2.1')).toBe('address-full');
		first();
		first();
		expect(admission.count).toBe(1);
		expect(typeof admit('192.0.2.1')).toBe('function');
		admit('192.0.2.2');
		admit('192.0.2.3');
		expect(admit('192.0.2.4')).toBe('server-full');
	});

	it('does not bound what comes through a proxy on this machine', () => {
		const admission = new SocketAdmission({ maxSockets: 10, maxSocketsPerAddress: 1 });
		for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
			expect('release' in admission.admit(address) && 'release' in admission.admit(address)).toBe(true);
		}
	});
});
