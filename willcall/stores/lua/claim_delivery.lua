-- Permission to tell somebody of an event, once; or puts the telling off.
-- KEYS  1 delivery  2 undelivered index  3 notifier  4 spec of the order that it is about, if it is about one
-- ARGV  1 subject  2 event id  3 number of the message  4 claim id  5 lease (ms)  6 put off by (ms, 0 = tell now)
-- Returns {verdict, now, ...}:
--   'stale'                      nothing to do, ever, for this message: superseded, told, given up, or a copy
--   'busy'                       another worker is telling right now, and goes on with what is due after that
--   'wait', now, until, number   come back then, with this number
--   'go', now, delivery, spec    tell; lease and claim id are set

-- include: clock

local now = milliseconds()
local record = redis.call('HMGET', KEYS[1], 'event', 'number', 'due', 'lease', 'claim')
local due = tonumber(record[3])
if record[1] ~= ARGV[2] or record[2] ~= ARGV[3] or not due then return {'stale', now} end
if tonumber(record[4] or 0) > now then
  if record[5] ~= ARGV[4] then return {'busy', now} end
else
  if due > now then return {'wait', now, due, tonumber(record[2])} end
  -- How far the workers have come, for `overdue`.
  redis.call('HSET', KEYS[3], 'reached', due, 'reached_at', now)
  if tonumber(ARGV[6]) > 0 then
    local number = redis.call('HINCRBY', KEYS[1], 'number', 1)
    due = now + tonumber(ARGV[6])
    redis.call('HSET', KEYS[1], 'due', due)
    redis.call('HDEL', KEYS[1], 'resent', 'resend_at')
    redis.call('ZADD', KEYS[2], due, ARGV[1])
    return {'wait', now, due, number}
  end
  redis.call('HSET', KEYS[1], 'lease', now + tonumber(ARGV[5]), 'claim', ARGV[4])
end
return {'go', now, redis.call('HGETALL', KEYS[1]), KEYS[4] and redis.call('GET', KEYS[4]) or ''}
