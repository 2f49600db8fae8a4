/** Attacks over HTTP: WHEP offers that never connect, and wrong log-ins. */
import { randomBytes, randomInt } from 'node:crypto';
import { unconnectedOffer } from '../../clients/whep/whep-offer.ts';
import type { AttackContext } from './attack.ts';
import { AttackClient, atRate } from './attack-client.ts';

const OFFERS_PER_SECOND = 60;
const LOG_INS_AT_ONCE = 80;

/** Every second offer comes from another address of one household, each of the others from another network. */
export async function whepOffers(context: AttackContext): Promise<never> {
	const client = new AttackClient(context);
	return atRate(OFFERS_PER_SECOND, (number) => {
		const text = number.toString(16);
		// RFC 3849: addresses for documentation.
		const sender = number % 2 === 0 ? `2001:db8:7:7::${text}` : `2001:db8:8:${text}::1`;
		const body = unconnectedOffer(`u${text}xx`);
		const path = `/whep/${context.config.channel}`;
		void client.request({ method: 'POST', path, sender, body, contentType: 'application/sdp' });
	});
}

/** Each from a new address for a new name, so that limits for these do not apply; each costs a password hash. */
export async function wrongLogIns(context: AttackContext): Promise<unknown> {
	const client = new AttackClient(context);
	const loop = async (): Promise<never> => {
		for (;;) {
			// RFC 2544: addresses for tests.
			const sender = `198.${18 + randomInt(2)}.${randomInt(256)}.${randomInt(256)}`;
			const name = `n${randomBytes(6).toString('hex')}`;
			const body = JSON.stringify({ name, password: 'this is not the password' });
			const path = '/api/v1/session';
			await client.request({ method: 'POST', path, sender, body, contentType: 'application/json' });
		}
	};
	return Promise.all(Array.from({ length: LOG_INS_AT_ONCE }, loop));
}
