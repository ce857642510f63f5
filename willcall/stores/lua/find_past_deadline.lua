--!df flags=allow-undeclared-keys
-- Find open orders past their deadline, among the overdue ones. No worker claims them: all workers stopped, or their
-- account was removed from the configuration. An attempt under way expires its order itself.
-- KEYS     due index, order prefix
-- ARGS     late_by (ms since the deadline), offset, count
-- Returns  {how many were looked at, id, id, ...}

-- include: clock

local DUE, ORDERS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local overdue = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', args.offset, args.count)
local found = {#overdue}
for _, id in ipairs(overdue) do
  local order = redis.call('HMGET', ORDERS .. id, 'status', 'deadline', 'lease')
  local open = order[1] == 'pending' or order[1] == 'partial'
  if open and tonumber(order[2]) + args.late_by <= now and tonumber(order[3] or 0) <= now then
    found[#found + 1] = id
  end
end
return found
