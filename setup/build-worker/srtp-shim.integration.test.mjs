/**
 * Tests the bounds of the libsrtp 3 shim (subprojects/libsrtp3/include/srtp.h) against a stand-in for libsrtp 2 that
 * records its arguments. srtp-interop.integration.test.ts tests it with the real library.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findProgram } from '../find-program.mjs';

const compiler = findProgram(['g++', 'c++'], { searchPath: process.env['PATH'] });
const includeFolder = fileURLToPath(new URL('./subprojects/libsrtp3/include', import.meta.url));

/** The declarations of libsrtp 2 that the shim uses, with bodies that record and change visibly. */
const LIBSRTP2_STAND_IN = `
#ifndef SRTP_SRTP_H
#define SRTP_SRTP_H
#include <stdint.h>
#include <string.h>
#define SRTP_MAX_KEY_LEN 64
#define SRTP_MAX_TRAILER_LEN 144
extern "C" {
typedef enum {
	srtp_err_status_ok = 0, srtp_err_status_fail = 1, srtp_err_status_bad_param = 2, srtp_err_status_alloc_fail = 3,
	srtp_err_status_auth_fail = 7, srtp_err_status_bad_mki = 25, srtp_err_status_pkt_idx_adv = 27
} srtp_err_status_t;
typedef enum { ssrc_undefined = 0, ssrc_specific = 1, ssrc_any_inbound = 2, ssrc_any_outbound = 3 } srtp_ssrc_type_t;
typedef struct { srtp_ssrc_type_t type; unsigned int value; } srtp_ssrc_t;
typedef enum {
	srtp_profile_reserved = 0, srtp_profile_aes128_cm_sha1_80 = 1, srtp_profile_null_sha1_32 = 6,
	srtp_profile_aead_aes_128_gcm = 7
} srtp_profile_t;
typedef struct { int profile; } srtp_crypto_policy_t;
typedef struct srtp_policy_t {
	srtp_ssrc_t ssrc; srtp_crypto_policy_t rtp; srtp_crypto_policy_t rtcp; unsigned char *key; void **keys;
	unsigned long num_master_keys; unsigned long window_size; int allow_repeat_tx; struct srtp_policy_t *next;
} srtp_policy_t;
typedef struct srtp_ctx_t_ *srtp_t;

static unsigned char created_key[SRTP_MAX_KEY_LEN];
static srtp_policy_t created_policy;
static int created_count = 0;
static srtp_err_status_t next_status = srtp_err_status_ok;
static int next_growth = 0;
static int transform_count = 0;
static uint32_t removed_ssrc = 0;

static inline srtp_err_status_t set_profile(srtp_crypto_policy_t *p, srtp_profile_t profile) {
	if (profile == srtp_profile_null_sha1_32) return srtp_err_status_bad_param;
	p->profile = profile;
	return srtp_err_status_ok;
}
static inline srtp_err_status_t srtp_crypto_policy_set_from_profile_for_rtp(srtp_crypto_policy_t *p, srtp_profile_t f) { return set_profile(p, f); }
static inline srtp_err_status_t srtp_crypto_policy_set_from_profile_for_rtcp(srtp_crypto_policy_t *p, srtp_profile_t f) { return set_profile(p, f); }
static inline unsigned int srtp_profile_get_master_key_length(srtp_profile_t) { return 16; }
static inline unsigned int srtp_profile_get_master_salt_length(srtp_profile_t f) { return f == srtp_profile_aead_aes_128_gcm ? 12 : 14; }
static inline srtp_err_status_t srtp_create(srtp_t *s, const srtp_policy_t *p) {
	created_count++;
	created_policy = *p;
	memcpy(created_key, p->key, SRTP_MAX_KEY_LEN);
	*s = (srtp_t)&created_policy;
	return next_status;
}
static inline srtp_err_status_t transform(void *packet, int *len) {
	transform_count++;
	if (*len > 0) ((unsigned char *)packet)[0] ^= 0xff;
	*len += next_growth;
	return next_status;
}
static inline srtp_err_status_t srtp_protect(srtp_t, void *p, int *l) { return transform(p, l); }
static inline srtp_err_status_t srtp_unprotect(srtp_t, void *p, int *l) { return transform(p, l); }
static inline srtp_err_status_t srtp_protect_rtcp(srtp_t, void *p, int *l) { return transform(p, l); }
static inline srtp_err_status_t srtp_unprotect_rtcp(srtp_t, void *p, int *l) { return transform(p, l); }
static inline srtp_err_status_t srtp_remove_stream(srtp_t, unsigned int ssrc) { removed_ssrc = ssrc; return srtp_err_status_ok; }
}
#endif
`;

/** Prints one line per check: its name, and ok or not. */
const CHECKS = `
#include <srtp.h>
#include <cstdio>
#include <vector>

#define CHECK(name, condition) std::printf("%s\\t%s\\n", name, (condition) ? "ok" : "FAILED")

static srtp_policy_t make_policy(srtp_profile_t profile) {
	srtp_policy_t policy = nullptr;
	srtp_policy_create(&policy);
	srtp_ssrc_t ssrc{};
	ssrc.type = ssrc_any_outbound;
	srtp_policy_set_ssrc(policy, ssrc);
	srtp_policy_set_profile(policy, profile);
	return policy;
}

int main() {
	uint8_t key[64];
	for (int i = 0; i < 64; ++i) key[i] = static_cast<uint8_t>(i + 1);
	srtp_t session = nullptr;

	srtp_policy_t policy = make_policy(srtp_profile_aead_aes_128_gcm);
	CHECK("a session without a key is refused", srtp_create(&session, policy) == srtp_err_status_bad_param && created_count == 0);
	CHECK("a key of another length is refused", srtp_policy_add_key(policy, key, 16, key + 16, 14, nullptr, 0) == srtp_err_status_bad_param);
	CHECK("a length that overflows is refused", srtp_policy_add_key(policy, key, SIZE_MAX, key, 12, nullptr, 0) == srtp_err_status_bad_param);
	CHECK("a key with an identifier is refused", srtp_policy_add_key(policy, key, 16, key + 16, 12, key, 1) == srtp_err_status_bad_param);
	CHECK("a missing key is refused", srtp_policy_add_key(policy, nullptr, 16, key, 12, nullptr, 0) == srtp_err_status_bad_param);
	CHECK("the right key is taken", srtp_policy_add_key(policy, key, 16, key + 16, 12, nullptr, 0) == srtp_err_status_ok);
	CHECK("a second key is refused", srtp_policy_add_key(policy, key, 16, key + 16, 12, nullptr, 0) == srtp_err_status_bad_param);
	CHECK("a window outside of the limits is refused", srtp_policy_set_window_size(policy, 63) == srtp_err_status_bad_param && srtp_policy_set_window_size(policy, 0x8000) == srtp_err_status_bad_param);
	srtp_policy_set_window_size(policy, 1024);
	srtp_policy_set_allow_repeat_tx(policy, true);
	CHECK("a session is created", srtp_create(&session, policy) == srtp_err_status_ok && created_count == 1);
	CHECK("the session has window and repetition", created_policy.window_size == 1024 && created_policy.allow_repeat_tx == 1);
	CHECK("the session has one key and one policy", created_policy.keys == nullptr && created_policy.num_master_keys == 0 && created_policy.next == nullptr);
	bool key_and_zeroes = std::memcmp(created_key, key, 28) == 0;
	for (int i = 28; i < SRTP_MAX_KEY_LEN; ++i) key_and_zeroes = key_and_zeroes && created_key[i] == 0;
	CHECK("the key is followed by zeroes up to the most that libsrtp 2 reads", key_and_zeroes);
	srtp_policy_destroy(policy);
	srtp_policy_destroy(nullptr);

	policy = make_policy(srtp_profile_reserved);
	CHECK("a policy without a profile takes no key", srtp_policy_add_key(policy, key, 16, key + 16, 14, nullptr, 0) == srtp_err_status_bad_param);
	CHECK("an unsupported profile is refused", srtp_policy_set_profile(policy, srtp_profile_null_sha1_32) == srtp_err_status_bad_param);
	srtp_policy_destroy(policy);
	srtp_ssrc_t undefined{};
	policy = make_policy(srtp_profile_aes128_cm_sha1_80);
	CHECK("an undefined SSRC type is refused", srtp_policy_set_ssrc(policy, undefined) == srtp_err_status_bad_param);
	srtp_policy_destroy(policy);
	CHECK("no policy is refused everywhere", srtp_policy_create(nullptr) == srtp_err_status_bad_param && srtp_create(&session, static_cast<srtp_policy_t>(nullptr)) == srtp_err_status_bad_param && srtp_policy_set_allow_repeat_tx(nullptr, true) == srtp_err_status_bad_param);

	std::vector<uint8_t> input(100, 7);
	std::vector<uint8_t> output(400, 0);
	size_t len = 100 + 143;
	transform_count = 0;
	CHECK("RTP without room for the longest trailer is refused", srtp_protect(session, input.data(), 100, output.data(), &len, 0) == srtp_err_status_buffer_small && len == 0 && transform_count == 0);
	len = 100 + 147;
	CHECK("RTCP needs room for the index too", srtp_protect_rtcp(session, input.data(), 100, output.data(), &len, 0) == srtp_err_status_buffer_small && len == 0 && transform_count == 0);
	len = 99;
	CHECK("unprotecting into less than the packet is refused", srtp_unprotect(session, input.data(), 100, output.data(), &len) == srtp_err_status_buffer_small && len == 0 && transform_count == 0);
	len = 400;
	next_growth = 16;
	CHECK("exactly enough room is enough", (len = 244, srtp_protect(session, input.data(), 100, output.data(), &len, 0) == srtp_err_status_ok) && len == 116);
	CHECK("the input is left alone", input[0] == 7 && output[0] == (7 ^ 0xff) && output[99] == 7);
	len = 400;
	CHECK("a key index is refused", srtp_protect(session, input.data(), 100, output.data(), &len, 1) == srtp_err_status_bad_mki);
	len = SIZE_MAX;
	transform_count = 0;
	CHECK("a length that no int holds is refused", srtp_protect(session, input.data(), SIZE_MAX - 200, output.data(), &len, 0) == srtp_err_status_bad_param && len == 0 && transform_count == 0);
	len = 400;
	CHECK("no session is refused", srtp_protect(nullptr, input.data(), 100, output.data(), &len, 0) == srtp_err_status_bad_param && len == 0);
	CHECK("no length is refused", srtp_unprotect(session, input.data(), 100, output.data(), nullptr) == srtp_err_status_bad_param);
	next_status = srtp_err_status_auth_fail;
	len = 100;
	CHECK("a failure is passed on, with a length of 0", srtp_unprotect(session, input.data(), 100, output.data(), &len) == srtp_err_status_auth_fail && len == 0);
	next_status = srtp_err_status_ok;
	next_growth = 1;
	len = 100;
	CHECK("a result longer than the buffer goes no further", srtp_unprotect_rtcp(session, input.data(), 100, output.data(), &len) == srtp_err_status_fail && len == 0);
	next_growth = -200;
	len = 100;
	CHECK("a negative result goes no further", srtp_unprotect_rtcp(session, input.data(), 100, output.data(), &len) == srtp_err_status_fail && len == 0);
	next_growth = -10;
	len = 100;
	CHECK("unprotecting in place works", srtp_unprotect(session, input.data(), 100, input.data(), &len) == srtp_err_status_ok && len == 90 && input[0] == (7 ^ 0xff));
	for (int i = 0; i < 100; ++i) input[static_cast<size_t>(i)] = static_cast<uint8_t>(i);
	len = 99;
	CHECK("buffers may overlap", srtp_unprotect(session, input.data(), 99, input.data() + 1, &len) == srtp_err_status_ok && input[50] == 49);
	CHECK("the SSRC to remove is passed as it is", srtp_stream_remove(session, 0x01020304u) == srtp_err_status_ok && removed_ssrc == 0x01020304u);
	CHECK("the new status codes differ from all of libsrtp 2", srtp_err_status_buffer_small == 28 && srtp_err_status_cryptex_err == 29);
}
`;

describe.runIf(compiler !== undefined)('the libsrtp 3 shim', () => {
	/** @type {string} */
	let folder;
	/** @type {string[][]} */
	let results;

	beforeAll(() => {
		folder = mkdtempSync(path.join(os.tmpdir(), 'spillway-shim-test-'));
		mkdirSync(path.join(folder, 'srtp2'));
		writeFileSync(path.join(folder, 'srtp2', 'srtp.h'), LIBSRTP2_STAND_IN);
		writeFileSync(path.join(folder, 'checks.cpp'), CHECKS);
		const program = path.join(folder, 'checks');
		execFileSync(/** @type {string} */ (compiler), [
			'-std=c++20',
			'-g',
			// An access outside of a buffer ends the program.
			'-fsanitize=address,undefined',
			'-fno-sanitize-recover=all',
			`-I${includeFolder}`,
			`-I${folder}`,
			path.join(folder, 'checks.cpp'),
			'-o',
			program,
		]);
		results = execFileSync(program, { encoding: 'utf8' })
			.trim()
			.split('\n')
			.map((line) => line.split('\t'));
	});
	afterAll(() => {
		rmSync(folder, { recursive: true });
	});

	it('respects every bound', () => {
		expect(results.filter(([, outcome]) => outcome !== 'ok')).toEqual([]);
		expect(results.length).toBeGreaterThan(30);
	});
});
