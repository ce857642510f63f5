-- Allow one round of fetching the documents that an order's tickets lack.
-- KEYS     order, spec, tickets, fetches due, fetch, fetches pending
-- ARGS     id, claim (id of this claim), lease (ms)
-- Returns  {now, order, spec, tickets, since (ms), tries}; or {} if this message has nothing to do: no document is
--          missing or wanted any more, the fetch is not due, or another worker has claimed it (repeating one's own
--          claim grants it again)

-- include: clock

local ORDER, SPEC, TICKETS, DUE, FETCH, PENDING = unpack(KEYS)
local args = cjson.decode(ARGV[1])
-- A scheduled message may arrive so many ms early.
local EARLY = 1000

local now = server_time()
local due = tonumber(redis.call('ZSCORE', DUE, args.id) or math.huge)
if due > now + EARLY then return {} end
local status = redis.call('HGET', ORDER, 'status')
if not status or status == 'failed' or status == 'cancelled' then
  redis.call('ZREM', DUE, args.id)
  redis.call('ZREM', PENDING, args.id)
  redis.call('DEL', FETCH)
  return {}
end
local fetch = redis.call('HMGET', FETCH, 'lease', 'claim')
if tonumber(fetch[1] or 0) > now and fetch[2] ~= args.claim then return {} end
redis.call('HSETNX', FETCH, 'since', now)
redis.call('HSET', FETCH, 'lease', now + args.lease, 'claim', args.claim)
local known = redis.call('HMGET', FETCH, 'since', 'tries')
return {now, redis.call('HGETALL', ORDER), redis.call('GET', SPEC), redis.call('GET', TICKETS) or '',
  tonumber(known[1]), tonumber(known[2] or 0)}
