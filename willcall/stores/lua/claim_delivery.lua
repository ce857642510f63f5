-- Allow one attempt to deliver an event, or postpone it.
-- KEYS     delivery, deliveries due, progress of the deliveries; for a backend's event also the order's spec
-- ARGS     subject, event (its id), number (of the message), claim (id of this claim), lease (ms), postpone (ms; nil:
--          deliver now)
-- Returns  {verdict, now, ...}:
--   'stale'                      this message has nothing to do, ever: superseded, delivered, given up, or a copy
--   'busy'                       another worker is delivering, and continues with what is due afterwards
--   'wait', until (ms), number   come back then with this number
--   'go', delivery, spec         deliver; lease and claim id are set

-- include: clock

local DELIVERY, DUE, PROGRESS, SPEC = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local delivery = redis.call('HMGET', DELIVERY, 'event', 'number', 'due', 'lease', 'claim')
local number, due = tonumber(delivery[2]), tonumber(delivery[3])
if delivery[1] ~= args.event or number ~= args.number or not due then return {'stale', now} end
if tonumber(delivery[4] or 0) > now then
  if delivery[5] ~= args.claim then return {'busy', now} end
else
  if due > now then return {'wait', now, due, number} end
  -- `resend_deliveries` compares with this how far the workers have come.
  redis.call('HSET', PROGRESS, 'reached', due, 'reached_at', now)
  if args.postpone then
    number = redis.call('HINCRBY', DELIVERY, 'number', 1)
    due = now + args.postpone
    redis.call('HSET', DELIVERY, 'due', due)
    redis.call('HDEL', DELIVERY, 'resent', 'resend_at')
    redis.call('ZADD', DUE, due, args.subject)
    return {'wait', now, due, number}
  end
  redis.call('HSET', DELIVERY, 'lease', now + args.lease, 'claim', args.claim)
end
return {'go', now, redis.call('HGETALL', DELIVERY), SPEC and redis.call('GET', SPEC) or ''}
