-- Defines owned_by_another() and own_tickets(): which order of an account owns which tickets, for references that list
-- everything a user ever bought.
--
-- ownership = {owners = key of a hash: ticket -> order, owned = key of a set: tickets of this order,
--              tickets = what identifies the order's tickets, exclusive = whether tickets of other orders are refused}

-- Whether another order owns one of the tickets, so that this one may not.
local function owned_by_another(ownership, id)
  if not ownership.exclusive then return false end
  for _, ticket in ipairs(ownership.tickets) do
    local owner = redis.call('HGET', ownership.owners, ticket)
    if owner and owner ~= id then return true end
  end
  return false
end

-- Make the order the owner of these tickets and of no others.
local function own_tickets(ownership, id)
  local kept = {}
  for _, ticket in ipairs(ownership.tickets) do kept[ticket] = true end
  for _, ticket in ipairs(redis.call('SMEMBERS', ownership.owned)) do
    if not kept[ticket] then
      if redis.call('HGET', ownership.owners, ticket) == id then redis.call('HDEL', ownership.owners, ticket) end
      redis.call('SREM', ownership.owned, ticket)
    end
  end
  for _, ticket in ipairs(ownership.tickets) do
    redis.call('HSET', ownership.owners, ticket, id)
    redis.call('SADD', ownership.owned, ticket)
  end
end
