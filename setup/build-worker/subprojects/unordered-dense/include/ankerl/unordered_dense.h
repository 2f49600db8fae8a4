// The part of ankerl::unordered_dense that the mediasoup worker uses, over Abseil's flat hash containers. Not the original:
// that is a download from a place that set-up may be unable to reach.
//
// Why Abseil and not the standard containers: the worker iterates over a set of Consumers and looks several maps up for
// every forwarded packet, and flat tables do both without chasing one heap node per element.
//
// What code written for the original may rely on, and what it gets here:
//   - insertion may invalidate references and iterators: true for both;
//   - erasing an element invalidates references to the last element in the original, to none but the erased one here;
//   - erase(iterator) returns the following iterator: Abseil returns nothing, hence the wrappers below;
//   - iteration follows insertion order until the first erase in the original. Here it is unspecified and differs from
//     run to run; no worker code depends on it (the maps are keyed by id, SSRC or pointer).

#ifndef SPILLWAY_ANKERL_UNORDERED_DENSE_H
#define SPILLWAY_ANKERL_UNORDERED_DENSE_H

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/hash/hash.h>
#include <functional>
#include <iterator>
#include <type_traits>
#include <utility>

namespace ankerl::unordered_dense
{
	// Well mixed for integers, enumerations, pointers and strings, unlike std::hash, which returns integers and pointers as
	// they are: flat tables take their bucket and their tag from different bits of one hash.
	template<typename T>
	struct hash : absl::Hash<T>
	{
	};

	template<typename Key, typename Value, typename Hash = absl::Hash<Key>, typename Equal = std::equal_to<Key>>
	class map : public absl::flat_hash_map<Key, Value, Hash, Equal>
	{
		using Base = absl::flat_hash_map<Key, Value, Hash, Equal>;

	public:
		using iterator       = typename Base::iterator;
		using const_iterator = typename Base::const_iterator;

		using Base::Base;
		using Base::erase;

		iterator erase(iterator position)
		{
			// Advanced before erasing, because erasing invalidates the position itself and nothing else.
			iterator next = std::next(position);

			Base::erase(position);

			return next;
		}
	};

	template<typename Key, typename Hash = absl::Hash<Key>, typename Equal = std::equal_to<Key>>
	class set : public absl::flat_hash_set<Key, Hash, Equal>
	{
		using Base = absl::flat_hash_set<Key, Hash, Equal>;

	public:
		using iterator       = typename Base::iterator;
		using const_iterator = typename Base::const_iterator;

		using Base::Base;
		using Base::erase;

		iterator erase(iterator position)
		{
			iterator next = std::next(position);

			Base::erase(position);

			return next;
		}
	};
} // namespace ankerl::unordered_dense

#endif
