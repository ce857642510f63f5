-- Defines queue_delivery(), deliver_later(), look_for_later(): the delivery of an order holds one event, and perhaps a
-- later one behind it.
--
-- An event of the status is superseded by the next one of the status only, any other event by each event after it. So
-- an event that is no status waits behind one of the status that is not delivered yet, and takes the place of what
-- waited there. A later event may mean that the backend has recovered: an event that was given up is tried again.
--
-- Example: `fulfilled` was not accepted and is tried again in 5 min. A corrected ticket makes `updated`, another one a
-- second `updated`. The backend gets `fulfilled` and then the second `updated`.
--
-- Needs file_delivery.lua.

local NO_STATUS = {['order.updated'] = true, ['order.attention'] = true, ['order.at_risk'] = true}

-- `event` is as for file_delivery(), without `host` if it is sent nowhere.
-- Returns {event id, number, host}: send this message. Or nil: there is none, or one is under way already.
local function queue_delivery(delivery, due, pending, subject, event)
  local id, type, state, host = unpack(redis.call('HMGET', delivery, 'event', 'type', 'state', 'host'))
  if not NO_STATUS[event.type] or not id or NO_STATUS[type] or state == 'delivered' then
    if event.host then
      file_delivery(delivery, due, pending, subject, event)
      return {event.id, 1, event.host}
    end
    drop_delivery(delivery, due, pending, subject)
    return nil
  end
  redis.call('HSET', delivery, 'later_event', event.id, 'later_type', event.type, 'later_at', event.at, 'later_data',
    event.data, 'later_cursor', event.cursor)
  if state ~= 'undeliverable' then return nil end
  local number = redis.call('HINCRBY', delivery, 'number', 1)
  redis.call('HSET', delivery, 'due', event.at, 'since', event.at)
  redis.call('HDEL', delivery, 'state', 'tries', 'resent', 'resend_at')
  redis.call('ZADD', due, event.at, subject)
  redis.call('ZADD', pending, event.at, subject)
  return {id, number, host}
end

local function after(cursor, other)
  local ms, sequence = string.match(cursor, '(%d+)-(%d+)')
  local other_ms, other_sequence = string.match(other, '(%d+)-(%d+)')
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or (ms == other_ms and tonumber(sequence) > tonumber(other_sequence))
end

-- Once the event before it is delivered, file the later one. Release 0.2.0 knows none: it may have left an outdated one.
-- Returns {event id, number, host}, or nil if there is none.
local function deliver_later(delivery, due, pending, subject)
  local id, type, at, data, cursor, host, before = unpack(redis.call('HMGET', delivery, 'later_event', 'later_type',
    'later_at', 'later_data', 'later_cursor', 'host', 'cursor'))
  if not id or not before then return nil end
  if not after(cursor, before) then
    redis.call('HDEL', delivery, 'later_event', 'later_type', 'later_at', 'later_data', 'later_cursor')
    return nil
  end
  file_delivery(delivery, due, pending, subject,
    {id = id, type = type, at = at, data = data, cursor = cursor, host = host})
  return {id, 1, host}
end

-- Until an event that waits behind another one is sent, look again after so many ms: release 0.2.0 does not send it.
local LATER = 60000

-- Return when to look at the order's changes, `look_at` (nil: no need) or sooner.
local function look_for_later(delivery, look_at, now)
  if redis.call('HEXISTS', delivery, 'later_event') == 0 then return look_at end
  return math.min(look_at or math.huge, now + LATER)
end
