-- Lets orders that wait for a parked account go on.
-- KEYS  1 held index  2 due index  3 attention index  4 order (its key without the id)
-- ARGV  1 how many
-- Returns {id, seq, id, seq, ...}: send a message for each

-- include: now

local now = milliseconds()
local sent = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)) do
  redis.call('ZREM', KEYS[1], id)
  local key = KEYS[4] .. id
  local order = redis.call('HMGET', key, 'seq', 'attention')
  if order[1] then
    redis.call('HSET', key, 'seq', order[1] + 1, 'due', now, 'ask', 1)
    if order[2] == 'unauthorized' then
      redis.call('HDEL', key, 'attention')
      redis.call('ZREM', KEYS[3], id)
    end
    redis.call('ZADD', KEYS[2], now, id)
    sent[#sent + 1] = id
    sent[#sent + 1] = order[1] + 1
  end
end
return sent
