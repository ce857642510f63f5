-- Ends a pause and a throttle, and has an account that is refused or down probed now: how it is, only an answer tells.
-- KEYS  1 account  2 token bucket  3 due index  4 held index  5-8 of the event (see health.lua)
-- ARGV  1 what may be sent ahead of the rate (ms, see bucket.lua)  2-4 of the event
-- Returns 1 where operators are told that it is well again

-- include: now
-- include: health

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'state', 'told')
local unwell = (account[1] or 'ok') ~= 'ok'
local told = account[2] and not unwell
if told then health_changed(2, 'ok', now, 'resumed', now) end
redis.call('HDEL', KEYS[1], 'paused_until', 'paused_since', 'throttles', 'throttled_since', 'throttled_until',
  'throttled_why', 'failures', 'forbidden', 'forbidden_by', 'probe_wait')
if unwell then redis.call('HSET', KEYS[1], 'probe_at', now) else redis.call('HDEL', KEYS[1], 'state', 'since') end
redis.call('DEL', KEYS[2])
-- The bucket starts empty, for what was sent lately is forgotten with the throttle.
redis.call('HSET', KEYS[2], 'tat', now + tonumber(ARGV[1]))
redis.call('PEXPIRE', KEYS[2], 86400000)
return told and 1 or 0
