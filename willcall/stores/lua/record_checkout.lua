-- Record the order that a provider created for a checkout, and where its customers come back.
-- KEYS     checkout, return (the checkout of a reference)
-- ARGS     id (of the order), reference, payment_url, kept (seconds)

local CHECKOUT, RETURN = unpack(KEYS)
local args = cjson.decode(ARGV[1])

redis.call('HSET', CHECKOUT, 'state', 'created', 'reference', args.reference, 'payment_url', args.payment_url,
  'return', RETURN)
redis.call('SET', RETURN, args.id, 'EX', args.kept)
return 1
