--!df flags=allow-undeclared-keys
-- Remove credentials that are no longer needed, some of those whose order's deadline has passed. The step that ends an
-- order removes them already, unless the release before 0.3.0 made it.
-- KEYS     index of orders with credentials, fetches due
-- ARGS     count, orders and credentials (prefixes of keys), again (ms until an order that needs them is looked at again)
-- Returns  how many were looked at

-- include: clock
-- include: forget_credentials

local INDEX, FETCHES = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local ids = redis.call('ZRANGEBYSCORE', INDEX, '-inf', now, 'LIMIT', 0, args.count)
for _, id in ipairs(ids) do
  local status = redis.call('HGET', args.orders .. id, 'status')
  local open = status == 'pending' or status == 'partial'
  if not status then
    redis.call('DEL', args.credentials .. id)
    redis.call('ZREM', INDEX, id)
  elseif open or redis.call('ZSCORE', FETCHES, id) then
    redis.call('ZADD', INDEX, now + args.again, id)
  else
    forget_credentials(args.orders .. id, args.credentials .. id, INDEX, id)
  end
end
return #ids
