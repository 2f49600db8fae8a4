/** All attacks of the bench, by the names that reports use. */
import type { Attack } from './attack.ts';
import { whepOffers, wrongLogIns } from './http-attacks.ts';
import { heldPlaylists } from './playlist-attack.ts';
import { rtmpConnections, wrongKeys } from './rtmp-attacks.ts';
import { socketsAndChat } from './socket-attack.ts';

export const ATTACKS: Readonly<Record<string, Attack>> = {
	'RTMP connections': rtmpConnections,
	'wrong stream keys': wrongKeys,
	'WHEP offers': whepOffers,
	'held playlists': heldPlaylists,
	'wrong log-ins': wrongLogIns,
	'sockets and chat': socketsAndChat,
};
