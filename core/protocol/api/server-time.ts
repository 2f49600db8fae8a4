/** `GET /api/v1/time`: the server's clock, for estimating the offset to it as in NTP. */
import { Type, type Static } from 'typebox';

export const serverTimeSchema = Type.Object({
	nowMs: Type.Number({ description: 'Epoch milliseconds on the server, fractional.' }),
});
export type ServerTime = Static<typeof serverTimeSchema>;
