/**
 * What the worker's sources are expected to say, and what is changed in them, so that they work with a system's
 * libraries.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * What the overlay takes for granted about the worker's sources. Each would otherwise go wrong without a compile error.
 */
export const SOURCE_EXPECTATIONS = [
	{
		file: 'include/RTC/SrtpSession.hpp',
		text: 'srtp_stream_remove(this->session, htonl(ssrc))',
		reason: 'the byte order in which srtp_stream_remove() is called (see srtp.h)',
	},
	{
		file: 'src/RTC/SrtpSession.cpp',
		text: 'if (*len + SRTP_MAX_TRAILER_LEN > EncryptBufferSize)',
		reason: 'that there is room for the trailer behind every packet that is protected (see srtp.h)',
	},
];

/** The changes: each text has to be found exactly once. */
export const SOURCE_PATCHES = [
	// mediasoup watches what OpenSSL writes with a BIO callback, which answers 1 to every control operation. One of these
	// is "does the kernel encrypt what is sent here?", which OpenSSL only asks when it is built with kernel TLS:
	// mediasoup's own is not, that of Debian and Ubuntu is. Told yes, OpenSSL allocates no buffer for its records
	// (ssl/record/ssl3_buffer.c) and the worker dies of a null pointer at the first DTLS message of every WebRTC
	// connection. All other operations are left as they are, because that is how mediasoup is used everywhere else.
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
	// Nothing that came with Meson 1.1.0 is used.
	{
		file: 'meson.build',
		from: "  meson_version: '>= 1.1.0',\n",
		to: "  meson_version: '>= 1.0.0',\n",
	},
];

/**
 * Replaces a text.
 *
 * @param {string} text
 * @param {{ from: string, to: string }} patch
 * @returns {string | undefined} Undefined when the text to replace is not there exactly once.
 */
export function applyPatch(text, { from, to }) {
	const parts = text.split(from);
	return parts.length === 2 ? parts.join(to) : undefined;
}

/**
 * Checks and changes a copy of the worker's sources.
 *
 * @param {string} sourceFolder
 * @returns {string | undefined} What is not as expected; undefined when all went well.
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
