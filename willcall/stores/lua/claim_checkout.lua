-- Store the intent of a checkout before its provider is called, or return what became of it.
--
-- Example: a call for order 7 stores the intent and sends the request; then its process dies. A repeated call within
-- the lease has to wait. A later one finds the intent without a result: the provider may have created the order, so
-- it is never called again.
--
-- KEYS     checkout, unfinished checkouts
-- ARGS     id, digest (of the content), order (JSON of what is submitted later), account, redirect_url, lease (ms for which
--          a call may be under way), kept (seconds)
-- Returns  {'go'}: call the provider; {'conflict'}: other content; {'busy'}: another call is under way;
--          {'unknown'}: whether the provider was reached is unknown; {'created', reference, payment address}

-- include: clock

local CHECKOUT, UNFINISHED = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local found = redis.call('HMGET', CHECKOUT, 'digest', 'state', 'lease', 'reference', 'payment_url')
if found[1] and found[1] ~= args.digest then return {'conflict'} end
if found[2] == 'created' then return {'created', found[4], found[5]} end
if found[2] == 'intent' then return {tonumber(found[3]) > now and 'busy' or 'unknown'} end
redis.call('HSET', CHECKOUT, 'digest', args.digest, 'state', 'intent', 'lease', now + args.lease, 'at', now,
  'order', args.order, 'account', args.account, 'redirect_url', args.redirect_url)
redis.call('EXPIRE', CHECKOUT, args.kept)
redis.call('ZADD', UNFINISHED, now + args.lease, args.id)
return {'go'}
