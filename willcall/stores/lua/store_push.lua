-- Store a push until its order is submitted, unless the order exists already.
-- KEYS     references of the account, pushes stored for the reference, inbox, erased references
-- ARGS     reference, digest, push (JSON), member (of the inbox), lifetime (ms), mark (keyed hash of the reference; nil:
--          no order was ever erased)
-- Returns  {'exists', id of the order}: nothing was stored; {'stored'}, perhaps since an earlier call; or {'erased'}:
--          nothing was stored, as the order was erased

-- include: clock

local REFERENCES, PUSHES, INBOX, ERASED = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local order_id = redis.call('HGET', REFERENCES, args.reference)
if order_id then return {'exists', order_id} end
if args.mark and redis.call('ZSCORE', ERASED, args.mark) then return {'erased'} end
if redis.call('HSETNX', PUSHES, args.digest, args.push) == 1 then
  redis.call('PEXPIRE', PUSHES, args.lifetime)
  redis.call('ZADD', INBOX, server_time() + args.lifetime, args.member)
end
return {'stored'}
