/** The form of a table of errors. Each domain has its own table; errors.ts joins them. */

/**
 * Code → HTTP status and message. `%s` is filled in order. Codes are never reused; docs/errors.md lists them all, and a
 * test compares. Messages name the thing and say what to do; they never hold a stream key or a token.
 */
export type ErrorTable = Readonly<Record<string, { readonly httpStatus: number; readonly message: string }>>;
