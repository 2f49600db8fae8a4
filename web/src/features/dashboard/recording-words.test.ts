/** Recording and videos in words. */
import { describe, expect, it } from 'vitest';
import {
	expiryWords,
	missingWords,
	recordingChoice,
	recordingOptions,
	recordingWords,
	storageWords,
} from './recording-words.ts';

describe('the recording switch', () => {
	it('has three positions', () => {
		expect([null, true, false].map((choice) => recordingChoice({ choice }))).toEqual(['account', 'on', 'off']);
	});

	it('says what the account means only while that is known', () => {
		expect(recordingOptions({ choice: null, isWanted: true })[0].label).toBe('As my account: on');
		expect(recordingOptions({ choice: null, isWanted: false })[0].label).toBe('As my account: off');
		expect(recordingOptions({ choice: true, isWanted: true })[0].label).toBe('As my account');
	});

	it('has a sentence for each state', () => {
		const states = ['off', 'idle', 'recording', 'stopped'] as const;
		const sentences = states.map((state) => recordingWords({ state, isWanted: true }));
		expect(new Set(sentences).size).toBe(4);
		expect(recordingWords({ state: 'recording', isWanted: false })).toContain('the next one is not');
	});
});

describe('the storage', () => {
	it('is nearly full from 90 % on', () => {
		expect(storageWords({ usedBytes: 1.2e9, maxBytes: 20e9 })).toEqual({
			text: '1.2 GB of 20 GB used by your videos',
			share: 0.06,
			isNearlyFull: false,
		});
		expect(storageWords({ usedBytes: 18e9, maxBytes: 20e9 }).isNearlyFull).toBe(true);
		expect(storageWords({ usedBytes: 30e9, maxBytes: 20e9 }).share).toBe(1);
		expect(storageWords({ usedBytes: 0, maxBytes: 0 }).isNearlyFull).toBe(true);
	});
});

describe('the end of a video', () => {
	const nowMs = Date.parse('2026-11-12T12:00:00Z');
	const ready = { state: 'ready', isKept: false } as const;

	it.each([
		['2026-11-26T12:00:00Z', 'Deleted on 26 Nov 2026, in 14 days'],
		['2026-11-14T11:00:00Z', 'Deleted on 14 Nov 2026, in 2 days'],
		['2026-11-13T11:00:00Z', 'Deleted within a day'],
		['2026-11-12T11:00:00Z', 'Deleted any moment'],
	])('%s: %s', (expiresAt, words) => expect(expiryWords({ ...ready, expiresAt }, 14, nowMs)).toBe(words));

	it('is not there for a kept one, and later for one that is being recorded', () => {
		expect(expiryWords({ ...ready, isKept: true, expiresAt: null }, 14, nowMs)).toBe('Kept until you delete it');
		expect(expiryWords({ state: 'recording', isKept: false, expiresAt: null }, 14, nowMs)).toBe(
			'Deleted 14 days after its end',
		);
		expect(expiryWords({ ...ready, expiresAt: '2026-11-26T12:00:00Z' }, 14, undefined)).toBe('Deleted on 26 Nov 2026');
		expect(expiryWords({ ...ready, expiresAt: null }, 14, nowMs)).toBe('');
	});

	it('says what is missing', () => {
		expect(missingWords({ missingSeconds: 0.4 })).toBeUndefined();
		expect(missingWords({})).toBeUndefined();
		expect(missingWords({ missingSeconds: 12 })).toBe('12 seconds could not be stored');
	});
});
