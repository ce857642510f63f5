-- Writes what a fetch brought, if the tickets are those that it was made for.
-- KEYS  1 tickets  2 fetches index  3 fetch  4 lacking index  5 given-up index
-- ARGV  1 id  2 claim id  3 tickets (JSON) as they were  4 tickets with their documents (JSON, '' = unchanged)
--       5 wait until the next try (ms, '' = none)  6 why there is to be one, in words  7 '1' where the
--       documents that are still missing are given up
-- Returns 'written'; 'changed' where the tickets are others by now, which are due at once; 'lost' where the claim is

-- include: clock

if redis.call('HGET', KEYS[3], 'claim') ~= ARGV[2] then return 'lost' end
redis.call('HDEL', KEYS[3], 'claim', 'lease', 'resent', 'resend_at')
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[3] then
  redis.call('ZADD', KEYS[2], milliseconds(), ARGV[1])
  return 'changed'
end
if ARGV[4] ~= '' then redis.call('SET', KEYS[1], ARGV[4]) end
if ARGV[5] ~= '' then
  redis.call('HINCRBY', KEYS[3], 'tries', 1)
  redis.call('HSET', KEYS[3], 'why', ARGV[6])
  redis.call('ZADD', KEYS[2], milliseconds() + tonumber(ARGV[5]), ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('DEL', KEYS[3])
  if ARGV[7] == '1' then redis.call('ZADD', KEYS[5], milliseconds(), ARGV[1]) end
end
return 'written'
