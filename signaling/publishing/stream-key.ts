/** Stream keys as text and as hash. The key is the secret of a publisher; only its hash is ever stored. */
import { createHmac } from 'node:crypto';
import { createSecret, type StreamKey } from '../../core/ids.ts';

/** First part of a generated key, so that a leaked one is recognised by people and by secret scanners. */
const KEY_PREFIX = 'live';
/** How much of a key its owner is shown again; leaves 140 bits unknown. */
const SHOWN_LENGTH = 9;
/** Keys shorter than this (chosen by hand) show nothing, because little would be left to guess. */
const MIN_LENGTH_TO_SHOW = 24;

/** A new key of 160 random bits. */
export function createStreamKey(): StreamKey {
	return createSecret(KEY_PREFIX) as StreamKey;
}

/**
 * What is stored and looked up: HMAC-SHA-256 under the server's secret. A fast hash is enough for a random key; the
 * secret keeps a stolen database from telling keys that were chosen by hand.
 */
export function hashStreamKey(serverSecret: Uint8Array, streamKey: string): Uint8Array {
	return new Uint8Array(createHmac('sha256', serverSecret).update(`stream-key:${streamKey}`).digest());
}

/** The part by which its owner recognises a key; empty for a short one. */
export function shownPrefix(streamKey: string): string {
	return streamKey.length >= MIN_LENGTH_TO_SHOW ? streamKey.slice(0, SHOWN_LENGTH) : '';
}
