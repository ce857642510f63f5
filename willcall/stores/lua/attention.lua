-- Defines set_attention() and clear_attention(): why an order needs attention and since when. The order has both; an
-- index per account and reason lists such orders, and if the order belongs to a client, one per client too.
--
-- indexes: what the keys of these indexes begin with, before client, account and reason

-- include: dated_lists

-- Set the reason, '' for none, at `now`, and that the order was updated then. Returns whether the reason changed. The
-- time since when stays while the reason does.
local function set_attention(order, indexes, id, reason, now)
  local fields = redis.call('HMGET', order, 'attention', 'provider', 'account', 'number', 'client', 'client_number')
  local before, account, client = fields[1] or '', fields[2] .. '/' .. fields[3] .. ':', fields[5]
  if before == reason then return false end
  local index, client_index = indexes .. account, client and indexes .. client .. ':' .. account
  if before ~= '' then
    redis.call('ZREM', index .. before, id)
    if client then redis.call('ZREM', client_index .. before, id) end
  end
  if reason == '' then
    redis.call('HDEL', order, 'attention', 'attention_at')
  else
    redis.call('HSET', order, 'attention', reason, 'attention_at', now)
    redis.call('ZADD', index .. reason, fields[4], id)
    if client then redis.call('ZADD', client_index .. reason, fields[6], id) end
  end
  mark_updated(order, id, now)
  return true
end

-- Clear the reason if it is this one. Returns whether it was.
local function clear_attention(order, indexes, id, reason, now)
  return redis.call('HGET', order, 'attention') == reason and set_attention(order, indexes, id, '', now)
end
