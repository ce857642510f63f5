-- Which order of an account holds which tickets, for references that list all that a user ever bought.
-- asked = {owners = hash: what identifies a ticket -> the order that holds it, owned = set: what one order holds,
--          keys = what identifies the order's tickets, exclusive = whether those of others are left alone}

-- Whether another order holds one of the tickets, so that this one may not.
local function owners_refuse(asked, id)
  if not asked.exclusive then return false end
  for _, key in ipairs(asked.keys) do
    local owner = redis.call('HGET', asked.owners, key)
    if owner and owner ~= id then return true end
  end
  return false
end

-- Notes what an order holds now, and gives back what it held before.
local function owners_hold(asked, id)
  local held = {}
  for _, key in ipairs(asked.keys) do held[key] = true end
  for _, key in ipairs(redis.call('SMEMBERS', asked.owned)) do
    if not held[key] then
      if redis.call('HGET', asked.owners, key) == id then redis.call('HDEL', asked.owners, key) end
      redis.call('SREM', asked.owned, key)
    end
  end
  for _, key in ipairs(asked.keys) do
    redis.call('HSET', asked.owners, key, id)
    redis.call('SADD', asked.owned, key)
  end
end
