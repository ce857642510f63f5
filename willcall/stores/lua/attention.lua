-- Defines set_attention() and clear_attention(): why an order needs attention and since when. The order has both; an
-- index per account and reason lists such orders.
--
-- indexes: what the keys of these indexes begin with, before account and reason

-- Set the reason, '' for none. Returns whether it changed. The time stays while the reason does.
local function set_attention(order, indexes, id, reason, now)
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

-- Clear the reason if it is this one.
local function clear_attention(order, indexes, id, reason)
  if redis.call('HGET', order, 'attention') == reason then set_attention(order, indexes, id, '') end
end
