--!df flags=allow-undeclared-keys
-- Replace the credentials of an order's own user, or give it some.
-- KEYS     order, credentials, index of orders with credentials, fetches due
-- ARGS     id, credentials (JSON), sharing (prefix of the sets of orders that share an answer), digest (of the reference
--          and these credentials, if the reference stands for everything that a user bought; nil: it does not)
-- Returns  'set'; 'closed': the order has ended and lacks no documents; 'gone': there is no such order

local ORDER, CREDENTIALS, INDEX, FETCHES = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local status, deadline, erased, digest, bound = unpack(redis.call('HMGET', ORDER, 'status', 'deadline', 'erased',
  'sharing', 'bound'))
if not status then return 'gone' end
local open = status == 'pending' or status == 'partial'
local fetching = bound == '1' and redis.call('ZSCORE', FETCHES, args.id)
if erased or not (open or fetching) then return 'closed' end
redis.call('SET', CREDENTIALS, args.credentials)
redis.call('HSET', ORDER, 'bound', 1)
redis.call('ZADD', INDEX, deadline, args.id)
-- Other orders may be of another user now.
if args.digest and args.digest ~= digest then
  if digest then redis.call('SREM', args.sharing .. digest, args.id) end
  redis.call('SADD', args.sharing .. args.digest, args.id)
  redis.call('HSET', ORDER, 'sharing', args.digest)
end
return 'set'
