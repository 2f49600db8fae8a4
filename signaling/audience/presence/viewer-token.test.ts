/** Tests of the token that identifies a viewer after a reconnect. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createId, type ChannelId, type ViewerId } from '../../../core/ids.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { TOKEN_LIFETIME_MS, ViewerTokens } from './viewer-token.ts';

const clock = new FakeClock();
const tokens = new ViewerTokens({ clock }, { serverSecret: new Uint8Array(32) });
const viewerId = createId<ViewerId>(clock.nowMs());
const channelId = createId<ChannelId>(clock.nowMs());

describe('ViewerTokens', () => {
	it('reads the tokens it created, which keep to the length that the protocol allows', () => {
		const token = tokens.create(viewerId, channelId);
		expect(token.length).toBeLessThanOrEqual(200);
		expect(tokens.read(token, channelId)).toBe(viewerId);
	});

	it('refuses a token of another channel, of another secret, and one that is too old', async () => {
		const token = tokens.create(viewerId, channelId);
		expect(tokens.read(token, createId<ChannelId>(0))).toBeUndefined();
		const other = new ViewerTokens({ clock }, { serverSecret: new Uint8Array(32).fill(1) });
		expect(other.read(token, channelId)).toBeUndefined();
		await clock.advance(TOKEN_LIFETIME_MS + 1000);
		expect(tokens.read(token, channelId)).toBeUndefined();
	});

	it('refuses a token with a changed character, and any other text', () => {
		const token = tokens.create(viewerId, channelId);
		fc.assert(
			fc.property(fc.nat(token.length - 2), fc.constantFrom(...'0aZ.-_'), (index, character) => {
				const changed = token.slice(0, index) + character + token.slice(index + 1);
				expect(tokens.read(changed, channelId)).toBe(changed === token ? viewerId : undefined);
			}),
		);
		fc.assert(fc.property(fc.string(), (text) => tokens.read(text, channelId) === undefined));
	});
});
