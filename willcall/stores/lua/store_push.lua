-- Store a push until its order is submitted, unless the order exists already.
-- KEYS     references of the account, pushes stored for the reference, inbox
-- ARGS     reference, digest, push (JSON), member (of the inbox), lifetime (ms)
-- Returns  the order's id: nothing was stored; or '': the push is stored, perhaps since an earlier call

-- include: clock

local REFERENCES, PUSHES, INBOX = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local order_id = redis.call('HGET', REFERENCES, args.reference)
if order_id then return order_id end
if redis.call('HSETNX', PUSHES, args.digest, args.push) == 1 then
  redis.call('PEXPIRE', PUSHES, args.lifetime)
  redis.call('ZADD', INBOX, server_time() + args.lifetime, args.member)
end
return ''
