-- Removes final orders that ended before a moment, a bounded number at a time. One of which a backend is still to be
-- told is kept for as long again.
-- KEYS  1 final index  2 attention indexes (see attention.lua)  3 late index  4 undelivered index
--       5 documents whose files are to be removed  6 undelivered and 7 untold index of events for operators
-- ARGV  1 ended before (ms)  2 how many  3 prefix of all keys
-- Returns {how many were looked at, how many of them were removed}

-- include: clock
-- include: attention
-- include: ticket_owners

local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
local ids = {}
for _, id in ipairs(old) do
  if redis.call('ZSCORE', KEYS[4], id) then
    redis.call('ZADD', KEYS[1], milliseconds(), id)
  else
    ids[#ids + 1] = id
  end
end
for _, id in ipairs(ids) do
  local key = ARGV[3] .. 'order:' .. id
  local order = redis.call('HMGET', key, 'provider', 'account', 'status')
  if order[1] then
    local account = order[1] .. '/' .. order[2]
    local spec = redis.call('GET', ARGV[3] .. 'spec:' .. id)
    local readable, decoded = pcall(cjson.decode, spec or '{}')
    local reference = readable and type(decoded) == 'table' and decoded['reference']
    local references = ARGV[3] .. 'references:' .. account
    if reference and redis.call('HGET', references, reference) == id then redis.call('HDEL', references, reference) end
    redis.call('ZREM', ARGV[3] .. 'index:' .. account .. ':' .. order[3], id)
    redis.call('ZREM', ARGV[3] .. 'due:' .. account, id)
    redis.call('ZREM', ARGV[3] .. 'held:' .. account, id)
    attention_is(key, KEYS[2], id, '')
    owners_hold({owners = ARGV[3] .. 'owners:' .. account, owned = ARGV[3] .. 'owned:' .. id, keys = {}}, id)
  end
  local documents = redis.call('HVALS', ARGV[3] .. 'documents:' .. id)
  for _, document in ipairs(documents) do redis.call('SADD', KEYS[5], document) end
  redis.call('DEL', key)
  for _, part in ipairs({'spec', 'tickets', 'attempts', 'fetch', 'documents', 'delivery', 'deliveries'}) do
    redis.call('DEL', ARGV[3] .. part .. ':' .. id)
  end
  for _, part in ipairs({'delivery', 'deliveries'}) do redis.call('DEL', ARGV[3] .. 'ops:' .. part .. ':order:' .. id) end
  redis.call('ZREM', KEYS[6], 'order:' .. id)
  redis.call('ZREM', KEYS[7], 'order:' .. id)
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[3], id)
end
return {#old, #ids}
