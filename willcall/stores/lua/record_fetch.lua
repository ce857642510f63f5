--!df flags=allow-undeclared-keys
-- Record the result of a round of fetching, if the tickets are still those that it was made for.
-- KEYS     tickets, fetches due, fetch, fetches pending, documents given up, order, changes, credentials, index of orders
--          with credentials
-- ARGS     id, claim (id of the claim), before (the tickets' JSON when they were claimed), after (the same with the new
--          documents; nil: unchanged), documents = {before, after} (JSON of the order's own, '' = none), wait (ms until the next round; nil: no further one), why (the reason for it,
--          text that may be shown), given_up (whether documents are missing and no longer tried),
--          notified (what the backend was last notified of)
-- Returns  'written'; 'changed' if the tickets are others by now, which are due at once; 'lost' if the claim is lost

-- include: clock
-- include: dated_lists
-- include: notified
-- include: forget_credentials

local TICKETS, DUE, FETCH, PENDING, GIVEN_UP, ORDER, CHANGES, CREDENTIALS, CREDENTIALS_INDEX = unpack(KEYS)
local args = cjson.decode(ARGV[1])

if redis.call('HGET', FETCH, 'claim') ~= args.claim then return 'lost' end
redis.call('HDEL', FETCH, 'claim', 'lease', 'resent', 'resend_at')
local documents = redis.call('HGET', ORDER, 'documents') or ''
if (redis.call('GET', TICKETS) or '') ~= args.before or documents ~= args.documents.before then
  redis.call('ZADD', DUE, server_time(), args.id)
  return 'changed'
end
if args.after then
  redis.call('SET', TICKETS, args.after)
  if args.documents.after ~= '' then redis.call('HSET', ORDER, 'documents', args.documents.after) end
  mark_updated(ORDER, args.id, server_time())
  if notified_of(ORDER) == '' then remember_notified(ORDER, args.notified) end
  redis.call('ZADD', CHANGES, server_time(), args.id)
end
if args.wait then
  redis.call('HINCRBY', FETCH, 'tries', 1)
  redis.call('HSET', FETCH, 'why', args.why)
  redis.call('ZADD', DUE, server_time() + args.wait, args.id)
else
  redis.call('ZREM', DUE, args.id)
  redis.call('ZREM', PENDING, args.id)
  redis.call('DEL', FETCH)
  if args.given_up then redis.call('ZADD', GIVEN_UP, server_time(), args.id) end
  local order = redis.call('HMGET', ORDER, 'finished', 'bound')
  if order[1] and order[2] == '1' then forget_credentials(ORDER, CREDENTIALS, CREDENTIALS_INDEX, args.id) end
end
return 'written'
