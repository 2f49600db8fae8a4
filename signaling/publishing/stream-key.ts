/** Stream keys as text and as hash. A key is the secret of a publisher; only its hash is stored. */
import { createHmac } from 'node:crypto';
import { createSecret, type StreamKey } from '../../core/ids.ts';

/** Begins each generated key, so that people and secret scanners recognise a leaked one. */
const KEY_PREFIX = 'live';
/** Characters of a key that its owner sees again; 140 bits stay unknown. */
const SHOWN_LENGTH = 9;
/** Shorter keys (chosen by hand) show nothing, because too little is left to guess. */
const MIN_LENGTH_TO_SHOW = 24;

/** A new key of 160 random bits. */
export function createStreamKey(): StreamKey {
	return createSecret(KEY_PREFIX) as StreamKey;
}

/**
 * The stored form: HMAC-SHA-256 under the server's secret. A fast hash is enough for a random key; the secret protects
 * keys that were chosen by hand when a database is stolen.
 */
export function hashStreamKey(serverSecret: Uint8Array, streamKey: string): Uint8Array {
	return new Uint8Array(createHmac('sha256', serverSecret).update(`stream-key:${streamKey}`).digest());
}

/** The part by which the owner recognises a key; empty for a short one. */
export function shownPrefix(streamKey: string): string {
	return streamKey.length >= MIN_LENGTH_TO_SHOW ? streamKey.slice(0, SHOWN_LENGTH) : '';
}
