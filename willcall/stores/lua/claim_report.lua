-- Allow one report to a provider of how an order ended.
-- KEYS     order, spec, tickets, reports due, reports pending, report
-- ARGS     id, lease (ms): if the worker dies, the report is due again afterwards
-- Returns  {now (ms), order, spec, tickets, status (to report), fence, since (ms), tries}; or {} if none is due

-- include: clock

local ORDER, SPEC, TICKETS, DUE, PENDING, REPORT = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local due = tonumber(redis.call('ZSCORE', DUE, args.id) or math.huge)
if due > now then return {} end
local report = redis.call('HMGET', REPORT, 'status', 'fence', 'since', 'tries')
local spec = redis.call('GET', SPEC)
if not spec or not report[2] then
  redis.call('ZREM', DUE, args.id)
  redis.call('ZREM', PENDING, args.id)
  redis.call('DEL', REPORT)
  return {}
end
redis.call('ZADD', DUE, now + args.lease, args.id)
return {now, redis.call('HGETALL', ORDER), spec, redis.call('GET', TICKETS) or '', report[1], report[2],
  tonumber(report[3]), tonumber(report[4] or 0)}
