-- Defines send_alert() and alert_attention(): notify operators of a change in the step that makes it. Both write an
-- event to the operators' stream and, if operators have a callback URL, queue it for delivery.
--
-- keys = {operator events, delivery of the subject, deliveries due, deliveries pending}
-- alert = {id = of the event, subject, send = whether operators have a callback URL,
--          order = JSON of the order without its attention (only for `alert_attention`)}

-- include: file_delivery

-- About how many events are kept.
local EVENTS_KEPT = 1000

local function send_alert(keys, alert, type, data, now)
  local cursor = redis.call('XADD', keys[1], 'MAXLEN', '~', EVENTS_KEPT, '*', 'id', alert.id, 'type', type,
    'subject', alert.subject, 'at', now, 'data', data)
  if alert.send then
    local event = {id = alert.id, type = type, at = now, data = data, cursor = cursor, host = ''}
    file_delivery(keys[2], keys[3], keys[4], alert.subject, event)
  end
end

-- An order newly needs attention. The reason is added here, because only this step knows it for certain.
local function alert_attention(keys, alert, reason, now)
  send_alert(keys, alert, 'order.attention', '{"attention":"' .. reason .. '",' .. string.sub(alert.order, 2), now)
end
