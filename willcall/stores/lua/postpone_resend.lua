-- Keep `resend_polls` from sending an order's message again for a while, because it waits for a slot in a worker.
-- KEYS     order
-- ARGS     seq (of the message), wait (ms)
-- Returns  the server's time (ms), or -1 if the message is stale

-- include: clock

local ORDER = KEYS[1]
local args = cjson.decode(ARGV[1])

local order = redis.call('HMGET', ORDER, 'seq', 'resend_at')
if tonumber(order[1]) ~= args.seq then return -1 end
local now = server_time()
redis.call('HSET', ORDER, 'resend_at', math.max(tonumber(order[2] or 0), now + args.wait))
return now
