/** Tests of the close scope: the behaviours that every closable object gets from it. */
import { describe, expect, it } from 'vitest';
import { CloseScope } from './close-scope.ts';
import { FakeClock } from '../testing/fake-clock.ts';
import { RecordingLogger } from '../testing/recording-logger.ts';

type Reason = 'done' | 'parent-closed';

describe('CloseScope', () => {
	it('closes once and keeps the first reason', async () => {
		const scope = new CloseScope<Reason>();
		const reasons: Reason[] = [];
		scope.onClose((reason) => void reasons.push(reason));
		expect([scope.closed, scope.reason, scope.signal.aborted]).toEqual([false, undefined, false]);
		const first = scope.close('done');
		expect([scope.closed, scope.reason, scope.signal.aborted]).toEqual([true, 'done', true]);
		expect(scope.close('parent-closed')).toBe(first);
		await first;
		expect([reasons, scope.reason]).toEqual([['done'], 'done']);
	});

	it('runs cleanups last registered first, waiting for each', async () => {
		const scope = new CloseScope<Reason>();
		const events: string[] = [];
		scope.onClose(() => void events.push('first registered'));
		scope.onClose(async () => {
			events.push('slow begins');
			await Promise.resolve();
			await Promise.resolve();
			events.push('slow ends');
		});
		scope.onClose(() => void events.push('last registered'));
		await scope.close('done');
		expect(events).toEqual(['last registered', 'slow begins', 'slow ends', 'first registered']);
	});

	it('has run the first cleanup when close() returns', async () => {
		const scope = new CloseScope<Reason>();
		let isCleaned = false;
		scope.onClose(() => void (isCleaned = true));
		const closed = scope.close('done');
		expect(isCleaned).toBe(true);
		await closed;
	});

	it('continues after a cleanup that throws or rejects, and logs it', async () => {
		const logger = new RecordingLogger();
		const scope = new CloseScope<Reason>(logger);
		let isLastRun = false;
		scope.onClose(() => void (isLastRun = true));
		scope.onClose(() => Promise.reject(new Error('rejected')));
		scope.onClose(() => {
			throw new Error('thrown');
		});
		await scope.close('done');
		expect(isLastRun).toBe(true);
		expect(
			logger.lines.map(({ level, fields }) => [level, (fields['err'] as Error).message, fields['reason']]),
		).toEqual([
			['error', 'thrown', 'done'],
			['error', 'rejected', 'done'],
		]);
	});

	it('accepts close() from a cleanup and from an abort listener', async () => {
		const scope = new CloseScope<Reason>();
		let closedAgain: Promise<void> | undefined;
		scope.signal.addEventListener('abort', () => void (closedAgain = scope.close('parent-closed')));
		scope.onClose(() => void scope.close('parent-closed'));
		const closed = scope.close('done');
		expect(closedAgain).toBe(closed);
		await closed;
		expect(scope.reason).toBe('done');
	});

	it('runs a cleanup at once when it is registered after closing', async () => {
		const scope = new CloseScope<Reason>();
		await scope.close('done');
		const reasons: Reason[] = [];
		scope.onClose((reason) => void reasons.push(reason));
		await Promise.resolve();
		expect(reasons).toEqual(['done']);
	});

	it('does not run a cleanup that was unregistered', async () => {
		const scope = new CloseScope<Reason>();
		const events: string[] = [];
		const unregister = scope.onClose(() => void events.push('unregistered'));
		scope.onClose(() => void events.push('kept'));
		unregister();
		unregister();
		await scope.close('done');
		expect(events).toEqual(['kept']);
	});

	it('ends pending waits with the reason', async () => {
		const scope = new CloseScope<Reason>();
		const wait = new Promise((_, reject) =>
			scope.signal.addEventListener('abort', () => reject(scope.signal.reason as Error), { once: true }),
		);
		const ended = expect(wait).rejects.toMatchObject({ name: 'AbortError', message: 'done' });
		await scope.close('done');
		await ended;
	});

	it('closes children when a parent closes it', async () => {
		const [parent, child] = [new CloseScope<Reason>(), new CloseScope<Reason>()];
		parent.onClose(() => child.close('parent-closed'));
		await parent.close('done');
		expect([child.closed, child.reason]).toEqual([true, 'parent-closed']);
	});

	it('takes no reason that is not in its union', async () => {
		const scope = new CloseScope<Reason>();
		// @ts-expect-error "terminated" is not one of the reasons.
		await scope.close('terminated');
		expect(scope.closed).toBe(true);
	});

	it('unregisters one of two registrations of a function, and a cleanup from within another', async () => {
		const scope = new CloseScope<Reason>();
		const ran: string[] = [];
		const twice = (): void => void ran.push('twice');
		scope.onClose(twice);
		scope.onClose(twice)();
		const unregister = scope.onClose(() => void ran.push('unregistered'));
		scope.onClose(() => unregister());
		await scope.close('done');
		expect(ran).toEqual(['twice']);
	});

	it('calls back once after a delay, or repeatedly, until closing begins', async () => {
		const clock = new FakeClock();
		const scope = new CloseScope<Reason>();
		const calls: string[] = [];
		scope.after(clock, 10, () => void calls.push('after'));
		scope.every(clock, 10, () => void calls.push('every'));
		scope.after(clock, 10, () => void calls.push('cancelled'))();
		await clock.advance(20);
		expect(calls.toSorted()).toEqual(['after', 'every', 'every']);
		scope.after(clock, 10, () => void calls.push('too late'));
		// A slow cleanup that runs first: the timers are due before their own cleanups run.
		scope.onClose(() => clock.advance(50));
		await scope.close('done');
		scope.after(clock, 10, () => void calls.push('closed'));
		await clock.advance(50);
		expect(calls).toHaveLength(3);
	});
});
