-- Keep to the hint of a look's answer: no other look, and no attempt of an order of that reference, comes before it.
-- KEYS     lookup (of the reference), and if there is an order of that reference: order, due index
-- ARGS     id (of the order), till (ms)

-- include: clock

local LOOKUP, ORDER, DUE = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local wait = args.till - server_time()
if wait <= 0 then return end
redis.call('SET', LOOKUP, 1, 'PX', wait)
if not ORDER or redis.call('EXISTS', ORDER) == 0 then return end
local order = redis.call('HMGET', ORDER, 'hint', 'due', 'deadline')
if tonumber(order[1] or 0) >= args.till then return end
redis.call('HSET', ORDER, 'hint', args.till)
local due = redis.call('ZSCORE', DUE, args.id)
local later = math.min(args.till, tonumber(order[3]))
if due and tonumber(due) < later then
  redis.call('HSET', ORDER, 'due', later)
  redis.call('ZADD', DUE, later, args.id)
end
