-- Finds open orders whose deadline has passed, among those that are overdue. Nobody claims them: their workers are gone,
-- or their account has left the configuration. An attempt that is under way ends its order by itself.
-- KEYS  1 due index  2 order (its key without the id)
-- ARGV  1 how long the deadline must have passed (ms)  2 offset into the overdue  3 how many to look at
-- Returns {how many were looked at, id, id, ...}

-- include: clock

local now = milliseconds()
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', ARGV[2], ARGV[3])
local found = {#overdue}
for _, id in ipairs(overdue) do
  local order = redis.call('HMGET', KEYS[2] .. id, 'status', 'deadline', 'lease')
  local open = order[1] == 'pending' or order[1] == 'partial'
  if open and tonumber(order[2]) + tonumber(ARGV[1]) <= now and tonumber(order[3] or 0) <= now then
    found[#found + 1] = id
  end
end
return found
