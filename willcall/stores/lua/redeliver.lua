-- Deliver an order's latest event again: its retry schedule starts again now. The time since which the event is pending
-- is unchanged, unless it was delivered meanwhile.
-- KEYS     delivery, deliveries due, order, attention indexes, events, deliveries pending
-- ARGS     id
-- Returns  {'sent', event id, number, host}: send this message; {'none'}: there is no event;
--          {'forgotten'}: it was delivered, and the event feed no longer has it

-- include: clock
-- include: attention

local DELIVERY, DUE, ORDER, ATTENTION, EVENTS, PENDING = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local delivery = redis.call('HMGET', DELIVERY, 'event', 'cursor', 'host', 'data', 'state', 'at', 'since')
if not delivery[1] then return {'none'} end
if not delivery[4] then
  local entry = redis.call('XRANGE', EVENTS, delivery[2], delivery[2])[1]
  if not entry then return {'forgotten'} end
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'data' then redis.call('HSET', DELIVERY, 'data', entry[2][i + 1]) end
  end
end
local now = server_time()
local since = delivery[7] or delivery[6]
if delivery[5] == 'delivered' then
  since = now
  redis.call('HSET', DELIVERY, 'since', since)
end
local number = redis.call('HINCRBY', DELIVERY, 'number', 1)
redis.call('HSET', DELIVERY, 'due', now)
redis.call('HDEL', DELIVERY, 'state', 'tries', 'resent', 'resend_at')
redis.call('ZADD', DUE, now, args.id)
redis.call('ZADD', PENDING, since, args.id)
clear_attention(ORDER, ATTENTION, args.id, 'undeliverable')
return {'sent', delivery[1], number, delivery[3]}
