/** The signed token that identifies a viewer after a reconnect. Servers with the same secret read each other's. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ChannelId, ViewerId } from '../../../core/ids.ts';

/** A page that stays open longer gets a new token with each `joined`. @internal for tests */
export const TOKEN_LIFETIME_MS = 24 * 60 * 60 * 1000;
/** Clocks of servers differ, so a token of another server may be from slightly in the future. */
const CLOCK_TOLERANCE_MS = 5 * 60 * 1000;
const TOKEN = /^v1\.([0-9a-z]{26})\.([0-9a-z]{26})\.([0-9a-z]{1,9})\.([\w-]{43})$/;

export class ViewerTokens {
	readonly #key: Uint8Array;
	readonly #clock: Clock;

	constructor({ clock }: { clock: Clock }, { serverSecret }: { serverSecret: Uint8Array }) {
		// A derived key: its signatures must not be valid anywhere else.
		this.#key = createHmac('sha256', serverSecret).update('spillway viewer token v1').digest();
		this.#clock = clock;
	}

	/** At most 110 characters. */
	create(viewerId: ViewerId, channelId: ChannelId): string {
		const issuedAtSeconds = Math.floor(this.#clock.nowMs() / 1000);
		const text = `v1.${viewerId}.${channelId}.${issuedAtSeconds.toString(36)}`;
		return `${text}.${this.#sign(text).toString('base64url')}`;
	}

	/** The viewer of a token; undefined when it is forged, too old, or of another channel. Accepts any text. */
	read(token: string, channelId: ChannelId): ViewerId | undefined {
		const match = TOKEN.exec(token);
		if (match === null) {
			return undefined;
		}
		const [, viewerId, forChannel, issuedAt, signature] = match as unknown as [string, string, string, string, string];
		const expected = this.#sign(token.slice(0, token.lastIndexOf('.')));
		if (!timingSafeEqual(expected, Buffer.from(signature, 'base64url'))) {
			return undefined;
		}
		const ageMs = this.#clock.nowMs() - Number.parseInt(issuedAt, 36) * 1000;
		return forChannel === channelId && ageMs <= TOKEN_LIFETIME_MS && ageMs >= -CLOCK_TOLERANCE_MS
			? (viewerId as ViewerId)
			: undefined;
	}

	#sign(text: string): Buffer {
		return createHmac('sha256', this.#key).update(text).digest();
	}
}
