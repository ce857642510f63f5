-- Remove stored pushes of one reference that were applied to their order.
-- KEYS     pushes stored for the reference, inbox
-- ARGS     digests (of the pushes), member (of the inbox)
-- Returns  nothing

local PUSHES, INBOX = unpack(KEYS)
local args = cjson.decode(ARGV[1])

redis.call('HDEL', PUSHES, unpack(args.digests))
if redis.call('EXISTS', PUSHES) == 0 then redis.call('ZREM', INBOX, args.member) end
