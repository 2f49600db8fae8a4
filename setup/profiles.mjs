/** The needs of each kind of command, as a table. */

/**
 * @typedef {object} Profile
 * @property {readonly import('./system-programs.mjs').ProgramName[]} programs
 * @property {boolean} worker Whether a mediasoup worker is needed.
 * @property {boolean} [s3] Whether an S3 service is needed.
 */

/**
 * The profiles by name. All of them need Node and the npm dependencies.
 *
 * @type {Record<string, Profile>}
 */
export const PROFILES = {
	/** Types, lint, unit tests, the web build: nothing that takes minutes to get. */
	check: { programs: [], worker: false },
	/** The product. */
	start: { programs: ['ffmpeg'], worker: true },
	/** Integration and end-to-end tests, benchmarks. */
	test: { programs: ['ffmpeg', 'chromium', 'redis', 'postgresql', 'varnish', 'nginx'], worker: true, s3: true },
};
