// The libsrtp 3 interface as far as the mediasoup worker uses it, over libsrtp 2. This is security code: every media packet
// of every viewer goes through it. It contains no cryptography of its own, only bounds, copies and the mapping of arguments.
//
// How it works: libsrtp 2's header is included under this name with its srtp_policy_t renamed, because version 3 gives that
// name to an opaque handle. Everything that is equal in both versions (init, shutdown, dealloc, event handler, profiles,
// status codes 0 to 27, version string) is then simply there, and what differs is added as C++ overloads, which cannot
// collide with libsrtp 2's C functions, because their parameter types differ. Whatever the worker calls and neither has
// fails to compile; nothing falls back silently.

#ifndef SPILLWAY_LIBSRTP3_OVER_LIBSRTP2_H
#define SPILLWAY_LIBSRTP3_OVER_LIBSRTP2_H

#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#define srtp_policy_t spillway_srtp2_policy_t
#include <srtp2/srtp.h>
#undef srtp_policy_t

// Version 3's two additional status codes. libsrtp 2 ends at 27, and an enumeration without a fixed type holds every value
// of its bit width (0 to 31), so that both are valid values of the type and distinct from all that libsrtp 2 returns.
inline constexpr srtp_err_status_t srtp_err_status_buffer_small = static_cast<srtp_err_status_t>(28);
inline constexpr srtp_err_status_t srtp_err_status_cryptex_err  = static_cast<srtp_err_status_t>(29);
static_assert(srtp_err_status_pkt_idx_adv == 27, "libsrtp 2 has gained status codes: number the version 3 ones anew");

// An SRTCP packet grows by the index word too, which SRTP_MAX_TRAILER_LEN leaves out.
inline constexpr size_t SPILLWAY_SRTP_MAX_TRAILER_BYTES  = SRTP_MAX_TRAILER_LEN;
inline constexpr size_t SPILLWAY_SRTCP_MAX_TRAILER_BYTES = SRTP_MAX_TRAILER_LEN + 4;

// The opaque policy of version 3: libsrtp 2's structure and the storage for the one key it points to.
struct spillway_srtp_policy
{
	spillway_srtp2_policy_t policy;
	srtp_profile_t profile;
	// The full capacity, zero filled, whatever the profile needs: libsrtp 2 reads as many bytes as its key derivation
	// wants, which need not be the length of master key and salt.
	unsigned char key[SRTP_MAX_KEY_LEN];
	bool has_key;
};

typedef spillway_srtp_policy* srtp_policy_t;

// Overwrites key material. Through a volatile pointer, because a plain memset before free() may be optimised away.
inline void spillway_srtp_wipe(void* data, size_t len)
{
	volatile unsigned char* bytes = static_cast<volatile unsigned char*>(data);

	for (size_t i = 0; i < len; ++i)
	{
		bytes[i] = 0;
	}
}

inline srtp_err_status_t srtp_policy_create(srtp_policy_t* policy)
{
	if (policy == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	// Value initialisation zeroes everything: no second master key, no header extension to encrypt, no next policy.
	*policy = new (std::nothrow) spillway_srtp_policy{};

	if (*policy == nullptr)
	{
		return srtp_err_status_alloc_fail;
	}

	(*policy)->profile = srtp_profile_reserved;

	return srtp_err_status_ok;
}

inline void srtp_policy_destroy(srtp_policy_t policy)
{
	if (policy == nullptr)
	{
		return;
	}

	spillway_srtp_wipe(policy->key, sizeof(policy->key));
	delete policy;
}

inline srtp_err_status_t srtp_policy_set_ssrc(srtp_policy_t policy, srtp_ssrc_t ssrc)
{
	if (policy == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	switch (ssrc.type)
	{
		case ssrc_specific:
		case ssrc_any_inbound:
		case ssrc_any_outbound:
		{
			policy->policy.ssrc = ssrc;

			return srtp_err_status_ok;
		}

		default:
		{
			return srtp_err_status_bad_param;
		}
	}
}

inline srtp_err_status_t srtp_policy_set_profile(srtp_policy_t policy, srtp_profile_t profile)
{
	if (policy == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	// An unsupported profile (AES-GCM in a libsrtp 2 built without OpenSSL, say) is refused by libsrtp 2 here. RTCP gets
	// an 80 bit tag with the 32 bit profile too, as RFC 5764 §4.1.2 wants; libsrtp 2 sees to that.
	srtp_err_status_t err = srtp_crypto_policy_set_from_profile_for_rtp(&policy->policy.rtp, profile);

	if (err != srtp_err_status_ok)
	{
		return err;
	}

	err = srtp_crypto_policy_set_from_profile_for_rtcp(&policy->policy.rtcp, profile);

	if (err != srtp_err_status_ok)
	{
		return err;
	}

	policy->profile = profile;

	return srtp_err_status_ok;
}

// Takes one key without MKI, which is all that the worker uses. Lengths are checked against the profile, which therefore
// has to be set before.
inline srtp_err_status_t srtp_policy_add_key(
  srtp_policy_t policy,
  const uint8_t* key,
  size_t key_len,
  const uint8_t* salt,
  size_t salt_len,
  const uint8_t* mki,
  size_t mki_len)
{
	if (policy == nullptr || key == nullptr || salt == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	// A second key, or a key with an identifier, would need libsrtp 2's list of master keys.
	if (policy->has_key || mki != nullptr || mki_len != 0)
	{
		return srtp_err_status_bad_param;
	}

	if (policy->profile == srtp_profile_reserved)
	{
		return srtp_err_status_bad_param;
	}

	if (
	  key_len != srtp_profile_get_master_key_length(policy->profile) ||
	  salt_len != srtp_profile_get_master_salt_length(policy->profile))
	{
		return srtp_err_status_bad_param;
	}

	// Compared without adding first, so that no sum can overflow.
	if (key_len > sizeof(policy->key) || salt_len > sizeof(policy->key) - key_len)
	{
		return srtp_err_status_bad_param;
	}

	std::memcpy(policy->key, key, key_len);
	std::memcpy(policy->key + key_len, salt, salt_len);
	policy->has_key = true;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_allow_repeat_tx(srtp_policy_t policy, bool allow)
{
	if (policy == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	policy->policy.allow_repeat_tx = allow ? 1 : 0;

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_policy_set_window_size(srtp_policy_t policy, size_t window_size)
{
	// libsrtp 2 checks this in srtp_create() only; version 3 refuses here.
	if (policy == nullptr || (window_size != 0 && (window_size < 64 || window_size >= 0x8000)))
	{
		return srtp_err_status_bad_param;
	}

	policy->policy.window_size = static_cast<unsigned long>(window_size);

	return srtp_err_status_ok;
}

inline srtp_err_status_t srtp_create(srtp_t* session, srtp_policy_t policy)
{
	// Without a key, libsrtp 2 would look for a list of master keys; without a profile, it would take the zeroes of the
	// structure for the null cipher and send everything in the clear. Neither may happen by omission.
	if (
	  session == nullptr || policy == nullptr || !policy->has_key || policy->profile == srtp_profile_reserved ||
	  policy->policy.ssrc.type == ssrc_undefined)
	{
		return srtp_err_status_bad_param;
	}

	// libsrtp 2 copies what it needs of the policy and derives its keys now; the pointer is not kept.
	policy->policy.key = policy->key;

	const srtp_err_status_t err =
	  ::srtp_create(session, static_cast<const spillway_srtp2_policy_t*>(&policy->policy));

	policy->policy.key = nullptr;

	return err;
}

// libsrtp 2 works in place and takes an int that is both the length and the result. Version 3 has input and output apart,
// and *output_len is the room in the output on entry, the length of the packet on success. So: check the room, copy, work
// in place. On failure *output_len is 0, so that a caller who ignores the status sends nothing rather than plaintext or
// half of a packet.
template<typename Transform>
inline srtp_err_status_t spillway_srtp_transform(
  srtp_t session, const uint8_t* input, size_t input_len, uint8_t* output, size_t* output_len, size_t growth, Transform transform)
{
	if (output_len == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	const size_t capacity = *output_len;

	*output_len = 0;

	if (session == nullptr || input == nullptr || output == nullptr)
	{
		return srtp_err_status_bad_param;
	}

	// The in-place length is an int, and it grows.
	if (input_len > static_cast<size_t>(INT_MAX) - growth)
	{
		return srtp_err_status_bad_param;
	}

	// libsrtp 2 writes up to `growth` bytes behind the packet without knowing where the buffer ends, so the room for the
	// longest trailer has to be there, even if the profile's is shorter.
	if (capacity < input_len + growth)
	{
		return srtp_err_status_buffer_small;
	}

	if (output != input)
	{
		// The buffers may overlap, as far as the interface says.
		std::memmove(output, input, input_len);
	}

	int len = static_cast<int>(input_len);

	const srtp_err_status_t err = transform(session, output, &len);

	if (err != srtp_err_status_ok)
	{
		return err;
	}

	// Never reported, but a length outside of the buffer must not get any further.
	if (len < 0 || static_cast<size_t>(len) > capacity)
	{
		return srtp_err_status_fail;
	}

	*output_len = static_cast<size_t>(len);

	return srtp_err_status_ok;
}

// There is no MKI, so that `mki_index` selects nothing; anything but 0 is a caller who expects otherwise.
inline srtp_err_status_t srtp_protect(
  srtp_t session, const uint8_t* rtp, size_t rtp_len, uint8_t* srtp, size_t* srtp_len, size_t mki_index)
{
	if (mki_index != 0)
	{
		return srtp_err_status_bad_mki;
	}

	return spillway_srtp_transform(
	  session, rtp, rtp_len, srtp, srtp_len, SPILLWAY_SRTP_MAX_TRAILER_BYTES, [](srtp_t ctx, void* packet, int* len)
	  { return ::srtp_protect(ctx, packet, len); });
}

inline srtp_err_status_t srtp_protect_rtcp(
  srtp_t session, const uint8_t* rtcp, size_t rtcp_len, uint8_t* srtcp, size_t* srtcp_len, size_t mki_index)
{
	if (mki_index != 0)
	{
		return srtp_err_status_bad_mki;
	}

	return spillway_srtp_transform(
	  session, rtcp, rtcp_len, srtcp, srtcp_len, SPILLWAY_SRTCP_MAX_TRAILER_BYTES, [](srtp_t ctx, void* packet, int* len)
	  { return ::srtp_protect_rtcp(ctx, packet, len); });
}

// Unprotecting only shrinks, and the worker does it in place. A packet too short for header and tag is refused by libsrtp 2
// before it computes any offset (checked for RTP, RTCP, AES-CM and AES-GCM in 2.5.0).
inline srtp_err_status_t srtp_unprotect(
  srtp_t session, const uint8_t* srtp, size_t srtp_len, uint8_t* rtp, size_t* rtp_len)
{
	return spillway_srtp_transform(
	  session, srtp, srtp_len, rtp, rtp_len, 0, [](srtp_t ctx, void* packet, int* len)
	  { return ::srtp_unprotect(ctx, packet, len); });
}

inline srtp_err_status_t srtp_unprotect_rtcp(
  srtp_t session, const uint8_t* srtcp, size_t srtcp_len, uint8_t* rtcp, size_t* rtcp_len)
{
	return spillway_srtp_transform(
	  session, srtcp, srtcp_len, rtcp, rtcp_len, 0, [](srtp_t ctx, void* packet, int* len)
	  { return ::srtp_unprotect_rtcp(ctx, packet, len); });
}

// `ssrc` is in network byte order: so is libsrtp 2's, and so does mediasoup 3.27.1 pass it. Later versions of libsrtp 3
// take host byte order; set-up checks the worker's source for the htonl() before it compiles, because a wrong order would
// remove nothing and say nothing.
inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrc)
{
	return ::srtp_remove_stream(session, ssrc);
}

#endif
