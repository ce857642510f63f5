-- Files an event for delivery, due now: it supersedes the one before it of the same subject, which is told no more.
-- event = {id, type, at = ms, data = JSON, cursor = its place in its stream, host = who is told ('' = as configured)}
local function deliver(delivery, undelivered, untold, subject, event)
  -- A lease stays: what is being sent right now ends before this one is.
  redis.call('HDEL', delivery, 'state', 'since', 'tries', 'resent', 'resend_at')
  redis.call('HSET', delivery, 'event', event.id, 'type', event.type, 'at', event.at, 'data', event.data,
    'cursor', event.cursor, 'host', event.host, 'number', 1, 'due', event.at)
  redis.call('ZADD', undelivered, event.at, subject)
  redis.call('ZADD', untold, event.at, subject)
end
