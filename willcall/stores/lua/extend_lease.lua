-- Give the attempt that has claimed an order more time.
-- KEYS     order
-- ARGS     claim (id of the claim), lease (ms from now)
-- Returns  1, or 0 if the order is claimed by another attempt or by none

-- include: clock

local ORDER = KEYS[1]
local args = cjson.decode(ARGV[1])

local order = redis.call('HMGET', ORDER, 'claim', 'lease')
if order[1] ~= args.claim then return 0 end
redis.call('HSET', ORDER, 'lease', math.max(tonumber(order[2]), server_time() + args.lease))
return 1
