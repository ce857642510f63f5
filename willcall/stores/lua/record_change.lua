--!df flags=allow-undeclared-keys
-- Write the event about what changed of an order, unless the order changed again meanwhile; and when to look at it next.
-- KEYS     order, tickets, changes, events, delivery, deliveries due, deliveries pending; for a client's order also the
--          client's events
-- ARGS     id, expected (field -> value of the order when it was read, '' for none), tickets (SHA-1 of their JSON then),
--          event = {id, type, data (JSON), host = to notify (nil: none)} (nil: nothing is new),
--          notified (what the backend is notified of from now on; nil: as before), fields: of the order, to write; removed: fields to remove (nil: none),
--          look_at (ms; nil: not again)
-- Returns  {0} if the order has changed, or `look_at` has come: look again; {1}; or {1, event id, number, host}: send this message

-- include: clock
-- include: dated_lists
-- include: feed
-- include: notified
-- include: file_delivery
-- include: queue_delivery

local ORDER, TICKETS, CHANGES, EVENTS, DELIVERY, DELIVERIES_DUE, DELIVERIES_PENDING, CLIENT_EVENTS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
-- From then on the look would have another result.
if (args.look_at or math.huge) <= now then return {0} end
for field, value in pairs(args.expected) do
  if (redis.call('HGET', ORDER, field) or '') ~= value then return {0} end
end
if redis.sha1hex(redis.call('GET', TICKETS) or '') ~= args.tickets then return {0} end

if args.event or (redis.call('HGET', ORDER, 'at_risk') or '') ~= (args.fields.at_risk or '') then
  mark_updated(ORDER, args.id, now)
end
for field, value in pairs(args.fields) do redis.call('HSET', ORDER, field, value) end
if args.removed then redis.call('HDEL', ORDER, unpack(args.removed)) end
local message
if args.event then
  add_event({EVENTS, ORDER, CLIENT_EVENTS}, args.id, args.event, now)
  message = queue_delivery(DELIVERY, DELIVERIES_DUE, DELIVERIES_PENDING, args.id, args.event)
elseif redis.call('HGET', DELIVERY, 'state') == 'delivered' then
  message = deliver_later(DELIVERY, DELIVERIES_DUE, DELIVERIES_PENDING, args.id)
end
if args.notified then remember_notified(ORDER, args.notified) end
local look_at = look_for_later(DELIVERY, args.look_at, now)
if look_at then
  redis.call('ZADD', CHANGES, look_at, args.id)
else
  redis.call('ZREM', CHANGES, args.id)
end
if message then return {1, unpack(message)} end
return {1}
