/** The few operations that Redis must do as one step, in its own language. Each touches one key, as a cluster demands. */

/** KEYS[1] key; ARGV: 1 if a value is expected, that value, the new value, ms to live. Returns 1 when it was set. */
export const COMPARE_AND_SET = `
local current = redis.call('GET', KEYS[1])
if (ARGV[1] == '0' and not current) or (ARGV[1] == '1' and current == ARGV[2]) then
	redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
	return 1
end
return 0`;

/** KEYS[1] lease; ARGV: token, ms to live. Returns 1 when it was ours. */
export const RENEW_LEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
	return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0`;

/** KEYS[1] lease; ARGV: token. Returns 1 when it was ours. */
export const RELEASE_LEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
	return redis.call('DEL', KEYS[1])
end
return 0`;

/** KEYS[1] sorted set; ARGV: member, score, ms to live. */
export const ADD_TO_SORTED_SET = `
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** KEYS[1] stream; ARGV: value, greatest length, ms to live. Returns the new id. */
export const APPEND_TO_HISTORY = `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[2], '*', 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return id`;

/** KEYS[1] stream; ARGV: first id as XRANGE takes it, greatest count. Returns the oldest entry kept and the entries. */
export const READ_HISTORY = `
return { redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1), redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]) }`;
