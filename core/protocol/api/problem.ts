/** The body of every refused request: a problem document (RFC 9457) with an error code and the request's id (§3.2). */
import { Type, type Static } from 'typebox';

/** RFC 9457 §3. */
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

export const problemSchema = Type.Object(
	{
		// A name, not an address: `urn:spillway:error:channel-not-found`.
		type: Type.String(),
		// The kind of problem; the same every time (RFC 9457 §3.1.3).
		title: Type.String(),
		status: Type.Integer(),
		detail: Type.String({ description: 'This case, in a sentence for people.' }),
		// Identifies this occurrence (RFC 9457 §3.1.5).
		instance: Type.String(),
		code: Type.String({ description: 'A row of the table in docs/errors.md.' }),
		// For reports; the server's log has it.
		requestId: Type.String(),
	},
	{ description: 'A problem document (RFC 9457), sent as application/problem+json.' },
);
export type Problem = Static<typeof problemSchema>;
