-- Whether a person should look at an order, why, and since when: that of a reason that stays is kept.

-- Returns whether the reason is another than before.
local function attention_begins(order, index, id, reason, now)
  if redis.call('HGET', order, 'attention') == reason then return false end
  redis.call('HSET', order, 'attention', reason, 'attention_at', now)
  redis.call('ZADD', index, redis.call('HGET', order, 'number'), id)
  return true
end

-- Ends it, if it is for this reason.
local function attention_ends(order, index, id, reason)
  if redis.call('HGET', order, 'attention') ~= reason then return end
  redis.call('HDEL', order, 'attention', 'attention_at')
  redis.call('ZREM', index, id)
end
