--!df flags=allow-undeclared-keys
-- Deliver an order's latest event again: its retry schedule starts again now. Events that were not delivered yet are
-- delivered in their order. The time since which the event is pending is unchanged, unless it was delivered meanwhile.
-- KEYS     delivery, deliveries due, order, attention indexes, events, deliveries pending; for a client's order also the
--          client's events
-- ARGS     id, host (of the address that it is sent to), attention = {id, type, data (JSON)}: for the feed only, if the
--          order needs no attention any more (nil: not written)
-- Returns  {'sent', event id, number, host}: send this message; {'none'}: there is no event;
--          {'forgotten'}: it is no longer pending, and the event feed no longer has it

-- include: clock
-- include: attention
-- include: file_delivery
-- include: feed

local DELIVERY, DUE, ORDER, ATTENTION, EVENTS, PENDING, CLIENT_EVENTS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local function read_event(cursor)
  local entry = redis.call('XRANGE', EVENTS, cursor, cursor)[1]
  if not entry then return nil end
  local event = {cursor = cursor, host = args.host}
  for i = 1, #entry[2], 2 do event[entry[2][i]] = entry[2][i + 1] end
  return event
end

local now = server_time()
local event, cursor, data, state, at, since, later = unpack(redis.call('HMGET', DELIVERY, 'event', 'cursor', 'data',
  'state', 'at', 'since', 'later_cursor'))
local latest = string.match(redis.call('HGET', ORDER, 'events') or '', '%S+$')
if latest and latest ~= cursor and latest ~= later then
  -- There was no address for the latest event when it happened.
  local missed = read_event(latest)
  if not missed then return {'forgotten'} end
  file_delivery(DELIVERY, DUE, PENDING, args.id, missed)
  event, data, state = missed.id, missed.data, 'delivered'
end
if not event then return {'none'} end
if not data then
  local stored = read_event(cursor)
  if not stored then return {'forgotten'} end
  redis.call('HSET', DELIVERY, 'data', stored.data)
end
since = state == 'delivered' and now or since or at
local number = redis.call('HINCRBY', DELIVERY, 'number', 1)
redis.call('HSET', DELIVERY, 'due', now, 'host', args.host, 'since', since)
redis.call('HDEL', DELIVERY, 'state', 'tries', 'resent', 'resend_at')
redis.call('ZADD', DUE, now, args.id)
redis.call('ZADD', PENDING, since, args.id)
if clear_attention(ORDER, ATTENTION, args.id, 'undeliverable', now) and args.attention then
  add_unsent_event({EVENTS, ORDER, CLIENT_EVENTS}, args.id, args.attention, now)
end
return {'sent', event, number, args.host}
