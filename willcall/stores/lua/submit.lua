-- Accepts one order, once.
-- KEYS  1 order  2 spec  3 due index  4 index of pending orders  5 references  6 accounts  7 submission counter
--       8 pushes ahead of the order
-- ARGV  1 id  2 account key  3 digest of what was submitted  4 spec (JSON)  5 reference
--       6 not before (ms, '' = at once)  7 ceiling (ms)  8 provider  9 account
--       10 nonce of this call: a client that has lost the reply runs the script again with the same one
--       11 after how long (ms) another call has ended for sure
-- Returns {'new' | 'same' | 'conflict', due ms of the first message ('' = send none), now ms,
--          1 where pushes came ahead of the order}

-- include: clock

local now = milliseconds()
local ahead = redis.call('EXISTS', KEYS[8])
local due = math.max(now, tonumber(ARGV[6]) or now)
local known, nonce, submitted = unpack(redis.call('HMGET', KEYS[1], 'digest', 'nonce', 'submitted'))
if known then
  if known ~= ARGV[3] then return {'conflict', '', now, ahead} end
  if not nonce then return {'same', '', now, ahead} end
  -- Its message may not have been sent: only when it has is the nonce deleted. Of two copies one acts.
  local ours = nonce == ARGV[10] or now - tonumber(submitted) >= tonumber(ARGV[11])
  return {ours and 'new' or 'same', due, now, ahead}
end
local number = redis.call('INCR', KEYS[7])
redis.call('SET', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'provider', ARGV[8], 'account', ARGV[9], 'status', 'pending', 'seq', 1, 'ask', 1,
  'due', due, 'deadline', due + tonumber(ARGV[7]), 'submitted', now, 'number', number, 'digest', ARGV[3], 'nonce', ARGV[10])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'not_before', ARGV[6]) end
redis.call('ZADD', KEYS[3], due, ARGV[1])
redis.call('ZADD', KEYS[4], number, ARGV[1])
redis.call('HSET', KEYS[5], ARGV[5], ARGV[1])
redis.call('SADD', KEYS[6], ARGV[2])
return {'new', due, now, ahead}
