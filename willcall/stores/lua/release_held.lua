--!df flags=allow-undeclared-keys
-- Let orders continue that are held because their account was stopped: all of them, as it is healthy again, or the one
-- that probes it. That one keeps its attention, and since when, until it is answered. An order that may not be polled
-- again before its deadline is due then, to expire.
-- KEYS     held index, due index, attention indexes, order prefix, account, changes
-- ARGS     count, minimum (ms between two attempts)
-- Returns  {id, seq, due (ms), id, seq, due, ...}: send a message for each

-- include: clock
-- include: attention

local HELD, DUE, ATTENTION, ORDERS, ACCOUNT, CHANGES = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local healthy = (redis.call('HGET', ACCOUNT, 'state') or 'ok') == 'ok'
local released = {}
for _, id in ipairs(redis.call('ZRANGE', HELD, 0, args.count - 1)) do
  redis.call('ZREM', HELD, id)
  local key = ORDERS .. id
  local order = redis.call('HMGET', key, 'seq', 'last_poll', 'hint', 'not_before', 'deadline', 'status')
  if order[1] then
    local last, hint, not_before = tonumber(order[2] or 0), tonumber(order[3] or 0), tonumber(order[4] or 0)
    local due, ask = math.max(now, last + args.minimum, hint, not_before), 1
    if (order[6] == 'pending' or order[6] == 'partial') and due > tonumber(order[5]) then
      due, ask = math.max(now, tonumber(order[5])), 0
    end
    redis.call('HSET', key, 'seq', order[1] + 1, 'due', due, 'ask', ask)
    if healthy and clear_attention(key, ATTENTION, id, 'unauthorized', now) then
      redis.call('ZADD', CHANGES, now, id)
    end
    redis.call('ZADD', DUE, due, id)
    for _, part in ipairs({id, order[1] + 1, due}) do released[#released + 1] = part end
  end
end
return released
