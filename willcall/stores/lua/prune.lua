-- Removes final orders that ended before a moment, a bounded number at a time.
-- KEYS  1 final index  2 attention index  3 late index  4 documents whose files are to be removed
-- ARGV  1 ended before (ms)  2 how many  3 prefix of all keys
-- Returns how many were removed

local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local key = ARGV[3] .. 'order:' .. id
  local order = redis.call('HMGET', key, 'provider', 'account', 'status')
  if order[1] then
    local account = order[1] .. '/' .. order[2]
    local spec = redis.call('GET', key .. ':spec')
    local reference = spec and cjson.decode(spec)['reference']
    local references = ARGV[3] .. 'references:' .. account
    if reference and redis.call('HGET', references, reference) == id then redis.call('HDEL', references, reference) end
    redis.call('ZREM', ARGV[3] .. 'index:' .. account .. ':' .. order[3], id)
    redis.call('ZREM', ARGV[3] .. 'due:' .. account, id)
    redis.call('ZREM', ARGV[3] .. 'held:' .. account, id)
  end
  local documents = redis.call('HVALS', ARGV[3] .. 'documents:' .. id)
  if #documents > 0 then redis.call('SADD', KEYS[4], unpack(documents)) end
  redis.call('DEL', key, key .. ':spec', key .. ':tickets', key .. ':attempts', key .. ':fetch',
    ARGV[3] .. 'documents:' .. id)
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end
return #ids
