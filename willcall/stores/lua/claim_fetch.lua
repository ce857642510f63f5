-- Permission to fetch the documents that an order's tickets lack.
-- KEYS  1 order  2 spec  3 tickets  4 fetches index  5 fetch  6 lacking index
-- ARGV  1 id  2 claim id  3 lease (ms)
-- Returns {now, order, spec, tickets, since, tries}; or {} where this message has nothing to do: nothing is missing or
--   wanted any more, it is not due, or somebody else is at it (a repeated claim of one's own is granted again)

-- include: clock

local now = milliseconds()
-- An alarm clock may ring a moment early.
local due = tonumber(redis.call('ZSCORE', KEYS[4], ARGV[1]) or math.huge)
if due > now + 1000 then return {} end
local status = redis.call('HGET', KEYS[1], 'status')
if not status or status == 'failed' or status == 'cancelled' then
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('ZREM', KEYS[6], ARGV[1])
  redis.call('DEL', KEYS[5])
  return {}
end
local fetch = redis.call('HMGET', KEYS[5], 'lease', 'claim')
if tonumber(fetch[1] or 0) > now and fetch[2] ~= ARGV[2] then return {} end
redis.call('HSETNX', KEYS[5], 'since', now)
redis.call('HSET', KEYS[5], 'lease', now + tonumber(ARGV[3]), 'claim', ARGV[2])
local known = redis.call('HMGET', KEYS[5], 'since', 'tries')
return {now, redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3]) or '',
  tonumber(known[1]), tonumber(known[2] or 0)}
