-- Defines add_event() and add_unsent_event(): write an event of an order into the feed.
--
-- keys = {events, order, events of the client (nil: the order has none)}
-- event = {id, type, data (JSON)}
--
-- The order remembers the positions of its events. The last of them is the latest event that is sent; events that are
-- in the feed only stand before it.

local function write_event(keys, order_id, event, now)
  event.at = now
  event.cursor = redis.call('XADD', keys[1], '*', 'id', event.id, 'type', event.type, 'order_id', order_id, 'at', now,
    'data', event.data)
  if keys[3] then redis.call('XADD', keys[3], '*', 'cursor', event.cursor) end
  return redis.call('HGET', keys[2], 'events')
end

local function add_event(keys, order_id, event, now)
  local known = write_event(keys, order_id, event, now)
  redis.call('HSET', keys[2], 'events', known and known .. ' ' .. event.cursor or event.cursor)
end

local function add_unsent_event(keys, order_id, event, now)
  local known = write_event(keys, order_id, event, now)
  local positions = known and string.gsub(known, '%S+$', event.cursor .. ' %0') or event.cursor
  redis.call('HSET', keys[2], 'events', positions)
end
