-- Ends whatever stops an account: a pause, a throttle, a parking.
-- KEYS  1 account  2 token bucket  3 due index  4 held index  5-8 of the event (see health.lua)
-- ARGV  1 what may be sent ahead of the rate (ms, see bucket.lua)  2-4 of the event
-- Returns 1 where operators are told that it is well again

-- include: now
-- include: health

local now = milliseconds()
local told = redis.call('HEXISTS', KEYS[1], 'told')
if told == 1 then health_changed(2, 'ok', now, 'resumed', now) end
redis.call('DEL', KEYS[1], KEYS[2])
-- The bucket starts empty, for what was sent lately is forgotten with the throttle.
redis.call('HSET', KEYS[2], 'tat', now + tonumber(ARGV[1]))
redis.call('PEXPIRE', KEYS[2], 86400000)
return told
