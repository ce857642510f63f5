-- Defines file_delivery(): queues an event for delivery, due now. It supersedes the subject's event before it. And
-- drop_delivery(): a new event that is sent nowhere supersedes the event before it all the same.
--
-- delivery, due, pending: keys of the subject's delivery and of the two indexes
-- event = {id, type, at (ms), data (JSON), cursor = its id in the stream, host = of the callback URL ('' = configured)}

local function file_delivery(delivery, due, pending, subject, event)
  -- The lease stays: a request that is being sent now must end before this event is sent.
  redis.call('HDEL', delivery, 'state', 'since', 'tries', 'resent', 'resend_at', 'later_event', 'later_type',
    'later_at', 'later_data', 'later_cursor')
  redis.call('HSET', delivery, 'event', event.id, 'type', event.type, 'at', event.at, 'data', event.data,
    'cursor', event.cursor, 'host', event.host, 'number', 1, 'due', event.at)
  redis.call('ZADD', due, event.at, subject)
  redis.call('ZADD', pending, event.at, subject)
end

local function drop_delivery(delivery, due, pending, subject)
  redis.call('HDEL', delivery, 'event', 'type', 'at', 'data', 'cursor', 'host', 'number', 'due', 'state', 'since',
    'tries', 'resent', 'resend_at', 'later_event', 'later_type', 'later_at', 'later_data', 'later_cursor')
  redis.call('ZREM', due, subject)
  redis.call('ZREM', pending, subject)
end
