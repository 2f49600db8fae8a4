/** Who a node is among the nodes of an installation. Made once at the start of a process and passed down. */
import { randomUUID } from 'node:crypto';

/** Another one after each start, so that nobody takes a node for its predecessor. */
export type NodeIdentity = { readonly nodeId: string };

export function createNodeIdentity(): NodeIdentity {
	return { nodeId: randomUUID() };
}
