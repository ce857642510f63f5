-- Defines notified_of() and remember_notified(): what an order's backend was notified of last (see orders/changes.py).
-- It counts as long as no other event was sent since: release 0.2.0 sends events without remembering them.

local function last_event(order)
  return string.match(redis.call('HGET', order, 'events') or '', '%S+$') or ''
end

-- Returns the text, '' if there is none that counts.
local function notified_of(order)
  local text, after = unpack(redis.call('HMGET', order, 'notified', 'notified_after'))
  return text and (after or '') == last_event(order) and text or ''
end

local function remember_notified(order, text)
  redis.call('HSET', order, 'notified', text, 'notified_after', last_event(order))
end
