-- Pause an account until a moment. A longer pause remains: the operator who requests a shorter one may not know it.
-- KEYS     account
-- ARGS     till (ms)
-- Returns  until when it is paused (ms)

-- include: clock

local ACCOUNT = KEYS[1]
local args = cjson.decode(ARGV[1])

local now = server_time()
local account = redis.call('HMGET', ACCOUNT, 'paused_until', 'paused_since')
local before = tonumber(account[1] or 0)
local till = math.max(before, args.till)
redis.call('HSET', ACCOUNT, 'paused_until', till, 'paused_since', before > now and account[2] or now)
return till
