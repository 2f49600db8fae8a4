/** The body of every refused HTTP request: a problem document (RFC 9457). */
import type { ErrorCode, SpillwayError } from '../../../core/errors/errors.ts';

/** Content type of a problem (RFC 9457 §3). */
export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** RFC 9457 §3.1, with our code and the request's id as extension members (§3.2). */
export type Problem = {
	/** A name, not an address: `urn:spillway:error:channel-not-found`. */
	type: string;
	/** The kind of problem; the same every time (RFC 9457 §3.1.3). */
	title: string;
	status: number;
	/** This case, in a sentence for people. */
	detail: string;
	/** Names this one occurrence (RFC 9457 §3.1.5). */
	instance: string;
	/** A row of the table in docs/errors.md. */
	code: ErrorCode;
	/** What to quote in a report; the server's log has it. */
	requestId: string;
};

/** Makes the document. The error's cause stays behind: it is for the log. */
export function errorToProblem(error: SpillwayError, requestId: string): Problem {
	const words = error.code.toLowerCase().replaceAll('_', ' ');
	return {
		type: `urn:spillway:error:${words.replaceAll(' ', '-')}`,
		title: words[0]!.toUpperCase() + words.slice(1),
		status: error.httpStatus,
		detail: error.message,
		instance: `urn:spillway:request:${requestId}`,
		code: error.code,
		requestId,
	};
}
