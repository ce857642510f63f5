--!df flags=allow-undeclared-keys
-- Permit one look at what a provider says about a reference, and keep what comes after it from being too early: the
-- next look, and the next attempt of an order of that reference.
-- KEYS     lookup (of the reference), and the latest order of that reference if there is one
-- ARGS     minimum (ms between two requests about one order), check (nothing is written: the token is not there yet),
--          shared_interval (prefix of keys), digest (of the reference, if orders of other accounts share its interval)
-- Returns  {'go', now}; {'wait', until (ms)}: a hint or the minimum forbids it; {'busy'}: the order is being polled;
--          {'due', at (ms)}: it is polled before another request after this one would be allowed

-- include: clock

local LOOKUP, ORDER = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local wait = redis.call('PTTL', LOOKUP)
local sharing = args.digest or (ORDER and redis.call('HGET', ORDER, 'sharing'))
local shared_interval = sharing and args.shared_interval .. sharing
if shared_interval then wait = math.max(wait, redis.call('PTTL', shared_interval)) end
if wait > 0 then return {'wait', now + wait} end
if ORDER then
  local order = redis.call('HMGET', ORDER, 'lease', 'last_poll', 'hint', 'due', 'ask', 'status')
  if tonumber(order[1] or 0) > now then return {'busy'} end
  local allowed = math.max(tonumber(order[2] or 0) + args.minimum, tonumber(order[3] or 0))
  if allowed > now then return {'wait', allowed} end
  local due = order[5] == '1' and tonumber(order[4] or math.huge) or math.huge
  if due < now + args.minimum then return {'due', math.max(due, now)} end
  if order[6] and not args.check then redis.call('HSET', ORDER, 'last_poll', now) end
end
if args.minimum > 0 and not args.check then
  redis.call('SET', LOOKUP, 1, 'PX', args.minimum)
  if shared_interval then redis.call('SET', shared_interval, 1, 'PX', args.minimum) end
end
return {'go', now}
