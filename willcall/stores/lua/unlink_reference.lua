-- Defines unlink_reference(): an order that is removed no longer gets the pushes about its reference. Another order of
-- the same reference does, if there is one.
--
-- prefix: of all keys, account: its key, sharing: the order's field of this name (false: none)

local function unlink_reference(prefix, account, reference, sharing, id)
  local heir
  if sharing then
    local sharers = prefix .. 'sharing:' .. account .. ':' .. sharing
    redis.call('SREM', sharers, id)
    for _, other in ipairs(redis.call('SMEMBERS', sharers)) do
      local found = redis.call('HMGET', prefix .. 'order:' .. other, 'status', 'erased')
      if found[1] and not found[2] then heir = other end
    end
  end
  local references = prefix .. 'references:' .. account
  if not reference or redis.call('HGET', references, reference) ~= id then return end
  if heir then redis.call('HSET', references, reference, heir) else redis.call('HDEL', references, reference) end
end
