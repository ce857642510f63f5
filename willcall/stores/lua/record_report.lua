-- Record the result of a report to a provider, if the order has not changed its status since the report was claimed.
-- KEYS     reports due, reports pending, report, attempts, the four keys of an alert (see alert.lua)
-- ARGS     id, fence (of the claimed report), wait (ms until the next try; nil: no further one), tried (whether a request
--          was sent), attempt (JSON, for the timeline; nil: none), most_attempts (that are kept),
--          alert (see alert.lua; nil: operators are not notified)
-- Returns  1, or 0 if another end of the order is to be reported by now, or none

-- include: clock
-- include: alert

local DUE, PENDING, REPORT, ATTEMPTS, ALERT_1, ALERT_2, ALERT_3, ALERT_4 = unpack(KEYS)
local args = cjson.decode(ARGV[1])

if redis.call('HGET', REPORT, 'fence') ~= args.fence then return 0 end
local now = server_time()
if args.attempt then
  redis.call('LPUSH', ATTEMPTS, args.attempt)
  redis.call('LTRIM', ATTEMPTS, 0, args.most_attempts - 1)
end
if args.wait then
  if args.tried then redis.call('HINCRBY', REPORT, 'tries', 1) end
  redis.call('ZADD', DUE, now + args.wait, args.id)
else
  redis.call('ZREM', DUE, args.id)
  redis.call('ZREM', PENDING, args.id)
  redis.call('DEL', REPORT)
end
-- `undeliverable` is a reason that every release knows; `report` says what could not be delivered.
if args.alert then alert_attention({ALERT_1, ALERT_2, ALERT_3, ALERT_4}, args.alert, 'undeliverable', now) end
return 1
