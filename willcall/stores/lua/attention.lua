-- Whether a person should look at an order, why, and since when: in the order, and in an index per account and reason.
-- indexes: the key of these without account and reason

-- It is for this reason now, '' for none. Returns whether that is another than before: the time of one that stays is kept.
local function attention_is(order, indexes, id, reason, now)
  local fields = redis.call('HMGET', order, 'attention', 'provider', 'account', 'number')
  local before, index = fields[1] or '', indexes .. fields[2] .. '/' .. fields[3] .. ':'
  if before == reason then return false end
  if before ~= '' then redis.call('ZREM', index .. before, id) end
  if reason == '' then
    redis.call('HDEL', order, 'attention', 'attention_at')
  else
    redis.call('HSET', order, 'attention', reason, 'attention_at', now)
    redis.call('ZADD', index .. reason, fields[4], id)
  end
  return true
end

-- Ends it, if it is for this reason.
local function attention_ends(order, indexes, id, reason)
  if redis.call('HGET', order, 'attention') == reason then attention_is(order, indexes, id, '') end
end
