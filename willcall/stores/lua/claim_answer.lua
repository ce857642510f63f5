-- Claim an order for an answer that was given to another order of the same user's list. No request is sent for it, so it
-- takes no token.
-- KEYS     order, spec, tickets, orders that share the answer
-- ARGS     id, digest (of the reference, see `sharing`), claim (id of this claim), lease (ms), user_list (whether the
--          reference stands for everything that a user bought; an order of another reference still gets pushes),
--          language (that the answer is in; nil: the provider's own)
-- Returns  {now, order, spec, tickets}; or {}: the order has ended, or waits for something else than its next poll

-- include: clock

local ORDER, SPEC, TICKETS, SHARERS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local status, sharing, lease, not_before, deadline, bound = unpack(redis.call('HMGET', ORDER, 'status', 'sharing',
  'lease', 'not_before', 'deadline', 'bound'))
local ended = status ~= 'pending' and status ~= 'partial'
if sharing ~= args.digest or ended then
  if sharing ~= args.digest or args.user_list then redis.call('SREM', SHARERS, args.id) end
  return {}
end
if tonumber(lease or 0) > now or tonumber(not_before or 0) > now or tonumber(deadline) < now then return {} end
-- The digest of a user's list is of the credentials too. Of any other reference, they may not get the same answer.
if bound and not args.user_list then return {} end
if cjson.decode(redis.call('GET', SPEC)).language ~= args.language then return {} end
redis.call('HSET', ORDER, 'lease', now + args.lease, 'claim', args.claim)
redis.call('HDEL', ORDER, 'again')
return {now, redis.call('HGETALL', ORDER), redis.call('GET', SPEC), redis.call('GET', TICKETS) or ''}
