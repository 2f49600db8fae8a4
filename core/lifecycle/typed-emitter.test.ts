/** Tests of the event emitter. */
import { describe, expect, it } from 'vitest';
import type { Logger } from '../logger.ts';
import { RecordingLogger } from '../testing/recording-logger.ts';
import { TypedEmitter } from './typed-emitter.ts';

type DoorEvents = { opened: [name: string, count: number]; closed: [] };

class Door extends TypedEmitter<DoorEvents> {
	constructor(logger?: Logger) {
		super(logger);
	}

	open(name: string): void {
		this.emit('opened', name, 1);
	}

	close(): void {
		this.emit('closed');
	}
}

describe('TypedEmitter', () => {
	it('calls every listener with the arguments until it is removed', () => {
		const door = new Door();
		const calls: unknown[] = [];
		const remove = door.on('opened', (...args) => calls.push(['one', ...args]));
		door.on('opened', (...args) => calls.push(['two', ...args]));
		door.open('me');
		remove();
		remove();
		door.open('you');
		expect(calls).toEqual([['one', 'me', 1], ['two', 'me', 1], ['two', 'you', 1]]); // prettier-ignore
	});

	it('calls a function twice that was added twice, and removes each alone', () => {
		const door = new Door();
		let count = 0;
		const listener = (): void => void count++;
		const remove = door.on('closed', listener);
		door.on('closed', listener);
		door.close();
		remove();
		door.close();
		expect(count).toBe(3);
	});

	it('calls a listener once when asked', () => {
		const door = new Door();
		const names: string[] = [];
		door.on('opened', (name) => names.push(name), { once: true });
		door.open('a');
		door.open('b');
		expect(names).toEqual(['a']);
	});

	it('no longer calls a listener when its signal has aborted', () => {
		const door = new Door();
		const controller = new AbortController();
		const names: string[] = [];
		door.on('opened', (name) => names.push(name), { signal: controller.signal });
		door.open('a');
		controller.abort();
		door.open('b');
		door.on('opened', (name) => names.push(name), { signal: controller.signal });
		door.open('c');
		expect(names).toEqual(['a']);
	});

	it('logs a listener that throws and calls the others', () => {
		const logger = new RecordingLogger();
		const door = new Door(logger);
		const names: string[] = [];
		door.on('opened', () => {
			throw new Error('broken');
		});
		door.on('opened', (name) => names.push(name));
		door.open('a');
		expect(names).toEqual(['a']);
		expect(logger.lines).toMatchObject([{ level: 'error', fields: { event: 'opened' } }]);
	});

	it('calls the listeners of the moment when they add and remove listeners', () => {
		const door = new Door();
		const names: string[] = [];
		const removeSelf = door.on('opened', () => removeSelf());
		door.on('opened', (name) => {
			names.push(name);
			door.on('opened', () => names.push('late'), { once: true });
		});
		door.open('a');
		expect(names).toEqual(['a']);
		door.open('b');
		expect(names.filter((name) => name === 'late')).toHaveLength(1);
	});

	it('does not call in the same emit what the only listener adds', () => {
		const door = new Door();
		let count = 0;
		door.on('closed', () => void door.on('closed', () => void count++));
		door.close();
		expect(count).toBe(0);
	});

	it('checks events by type', () => {
		const door = new Door();
		// @ts-expect-error There is no such event.
		door.on('knocked', () => undefined);
		// @ts-expect-error The second argument is a number.
		door.on('opened', (_name: string, _count: string) => undefined);
	});
});
