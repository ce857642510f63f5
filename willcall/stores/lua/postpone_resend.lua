-- Keeps `revive` from sending an order's message again for a while: it waits for a place in a worker.
-- KEYS  1 order
-- ARGV  1 seq of the message  2 for how long (ms)
-- Returns the server's time, or -1 where the message is stale

-- include: clock

if redis.call('HGET', KEYS[1], 'seq') ~= ARGV[1] then return -1 end
local now = milliseconds()
local known = tonumber(redis.call('HGET', KEYS[1], 'resend_at') or 0)
redis.call('HSET', KEYS[1], 'resend_at', math.max(known, now + tonumber(ARGV[2])))
return now
