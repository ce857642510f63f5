-- Gives the attempt that has an order more time.
-- KEYS  1 order
-- ARGV  1 claim id  2 lease from now on (ms)
-- Returns 1, or 0 where the order is not this attempt's any more

-- include: clock

local order = redis.call('HMGET', KEYS[1], 'claim', 'lease')
if order[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'lease', math.max(tonumber(order[2]), milliseconds() + tonumber(ARGV[2])))
return 1
