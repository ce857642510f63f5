-- Tells operators of a change, in the step that makes it: writes an event into their stream and, where they have an
-- address, files it for delivery.
-- KEYS  from `first` on: events for operators, delivery of the subject, undelivered index, untold index
-- ARGV  from `argument` on: event id, subject, '1' where they have an address

-- include: file_delivery

-- Events that are kept, about.
local KEPT = 1000

local function alert(first, argument, type, data, now)
  local id, subject = ARGV[argument], ARGV[argument + 1]
  local cursor = redis.call('XADD', KEYS[first], 'MAXLEN', '~', KEPT, '*', 'id', id, 'type', type, 'subject', subject,
    'at', now, 'data', data)
  if ARGV[argument + 2] == '1' then
    local event = {id = id, type = type, at = now, data = data, cursor = cursor, host = ''}
    deliver(KEYS[first + 1], KEYS[first + 2], KEYS[first + 3], subject, event)
  end
end

-- An order newly needs attention; `document` is its JSON without the reason, which is certain only here.
local function alert_attention(first, argument, reason, document, now)
  alert(first, argument, 'order.attention', '{"attention":"' .. reason .. '",' .. string.sub(document, 2), now)
end
