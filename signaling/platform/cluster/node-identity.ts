/** Identifies a node of an installation. Created once at the start of a process and passed down. */
import { randomUUID } from 'node:crypto';

/** A new id after each start distinguishes a node from its predecessor. */
export type NodeIdentity = { readonly nodeId: string };

export function createNodeIdentity(): NodeIdentity {
	return { nodeId: randomUUID() };
}
