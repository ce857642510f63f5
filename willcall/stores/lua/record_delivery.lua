--!df flags=allow-undeclared-keys
-- Record the result of an attempt to deliver an event, if the claim still holds.
-- KEYS     delivery, delivery attempts, deliveries due, deliveries pending; for a backend's event also order, attention
--          indexes, events, and the four keys of an alert (see alert.lua); for a client's order also the client's events
-- ARGS     subject, claim (id of the claim), event (its id), number (claimed), result: 'pending' (try again),
--          'delivered' or 'undeliverable', wait (ms until the next attempt, of 'pending'), attempt (JSON),
--          most_attempts (that are kept), host (that the attempt went to; nil: as before), alert (see alert.lua; nil:
--          operators are not notified), attention = {id, type, data (JSON)}: for the feed only, if the order needs
--          attention because of the result (nil: not written)
-- Returns  {now, event id, number, host, due (ms)}: send this message; or {now} if there is nothing to deliver any
--          more, or another worker has claimed the delivery. Repeated because the reply was lost, it writes nothing
--          again

-- include: clock
-- include: attention
-- include: alert
-- include: queue_delivery
-- include: feed

local DELIVERY, ATTEMPTS, DUE, PENDING, ORDER, ATTENTION, EVENTS, ALERT_1, ALERT_2, ALERT_3, ALERT_4, CLIENT_EVENTS =
  unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local delivery = redis.call('HMGET', DELIVERY, 'event', 'number', 'claim', 'settled')
if not delivery[1] then return {now} end

local function next_message()
  local next = redis.call('HMGET', DELIVERY, 'event', 'number', 'host', 'due')
  if not next[4] then return {now} end
  return {now, next[1], tonumber(next[2]), next[3], tonumber(next[4])}
end

if delivery[4] == args.claim then return next_message() end
redis.call('LPUSH', ATTEMPTS, args.attempt)
redis.call('LTRIM', ATTEMPTS, 0, args.most_attempts - 1)
if delivery[3] ~= args.claim then return {now} end
redis.call('HDEL', DELIVERY, 'lease', 'claim')
redis.call('HSET', DELIVERY, 'settled', args.claim)

-- Meanwhile a newer event may have arrived, or a redelivery of this one may have been requested.
local current = delivery[1] == args.event
local unchanged = current and tonumber(delivery[2]) == args.number
if current and args.host then redis.call('HSET', DELIVERY, 'host', args.host) end
if current and args.result == 'delivered' then
  redis.call('HSET', DELIVERY, 'state', 'delivered')
  redis.call('HDEL', DELIVERY, 'due', 'data', 'tries', 'resent', 'resend_at')
  redis.call('ZREM', DUE, args.subject)
  redis.call('ZREM', PENDING, args.subject)
  deliver_later(DELIVERY, DUE, PENDING, args.subject)
elseif unchanged and args.result == 'pending' then
  local due = now + args.wait
  redis.call('HINCRBY', DELIVERY, 'tries', 1)
  redis.call('HSET', DELIVERY, 'number', args.number + 1, 'due', due)
  redis.call('HDEL', DELIVERY, 'resent', 'resend_at')
  redis.call('ZADD', DUE, due, args.subject)
elseif unchanged then
  redis.call('HSET', DELIVERY, 'state', 'undeliverable')
  redis.call('HDEL', DELIVERY, 'due', 'resent', 'resend_at')
  redis.call('ZREM', DUE, args.subject)
  redis.call('ZREM', PENDING, args.subject)
  if ORDER and not redis.call('HGET', ORDER, 'attention') then
    set_attention(ORDER, ATTENTION, args.subject, args.result, now)
    -- A backend that cannot be notified is not notified of that.
    if args.attention then add_unsent_event({EVENTS, ORDER, CLIENT_EVENTS}, args.subject, args.attention, now) end
    if args.alert then alert_attention({ALERT_1, ALERT_2, ALERT_3, ALERT_4}, args.alert, args.result, now) end
  end
end
return next_message()
