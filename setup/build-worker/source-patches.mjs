/** Expectations on the worker's sources, and patches with which they build against the libraries of a system. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Assumptions of the overlay about the worker's sources that no compile error checks. */
const SOURCE_EXPECTATIONS = [
	{
		file: 'include/RTC/SrtpSession.hpp',
		text: 'srtp_stream_remove(this->session, htonl(ssrc))',
		reason: 'the byte order in which srtp_stream_remove() is called (see srtp.h)',
	},
	{
		file: 'src/RTC/SrtpSession.cpp',
		text: 'if (*len + SRTP_MAX_TRAILER_LEN > EncryptBufferSize)',
		reason: 'that there is room for the trailer after every packet that is protected (see srtp.h)',
	},
];

/** Each `from` must occur exactly once. */
export const SOURCE_PATCHES = [
	// mediasoup observes the output of OpenSSL with a BIO callback, which returns 1 for every control operation. One of
	// these is "does the kernel encrypt what is sent here?", which only an OpenSSL with kernel TLS uses. Debian's and
	// Ubuntu's has it, mediasoup's has not. After the 1 such an OpenSSL allocates no buffer for its records
	// (ssl/record/ssl3_buffer.c). The worker then crashes with a null pointer at the first DTLS message of every WebRTC
	// connection. The result of all other operations does not change.
	{
		file: 'src/RTC/DtlsTransport.cpp',
		from: '  int /*argi*/,\n',
		to: '  int argi,\n',
	},
	{
		file: 'src/RTC/DtlsTransport.cpp',
		from: '	const long resultOfcallback = (operationType == BIO_CB_RETURN) ? static_cast<long>(ret) : 1;\n',
		to: `	if (
	  operationType == (BIO_CB_CTRL | BIO_CB_RETURN) &&
	  (argi == BIO_CTRL_GET_KTLS_SEND || argi == BIO_CTRL_GET_KTLS_RECV))
	{
		return 0;
	}

	const long resultOfcallback = (operationType == BIO_CB_RETURN) ? static_cast<long>(ret) : 1;
`,
	},
	// The build uses no feature of Meson 1.1.0.
	{
		file: 'meson.build',
		from: "  meson_version: '>= 1.1.0',\n",
		to: "  meson_version: '>= 1.0.0',\n",
	},
];

/**
 * @param {string} text
 * @param {{ from: string, to: string }} patch
 * @returns {string | undefined} Undefined when `from` does not occur exactly once.
 */
export function applyPatch(text, { from, to }) {
	const parts = text.split(from);
	return parts.length === 2 ? parts.join(to) : undefined;
}

/**
 * Checks and changes a copy of the worker's sources.
 *
 * @param {string} sourceFolder
 * @returns {string | undefined} The first unmet expectation; undefined for success.
 */
export function patchSources(sourceFolder) {
	for (const { file, text, reason } of SOURCE_EXPECTATIONS) {
		if (!readFileSync(path.join(sourceFolder, file), 'utf8').includes(text)) {
			return `${file} no longer shows ${reason}`;
		}
	}
	for (const patch of SOURCE_PATCHES) {
		const file = path.join(sourceFolder, patch.file);
		const patched = applyPatch(readFileSync(file, 'utf8'), patch);
		if (patched === undefined) {
			return `${patch.file} does not have "${patch.from.trim()}" exactly once`;
		}
		writeFileSync(file, patched);
	}
	return undefined;
}
