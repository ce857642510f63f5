-- Pauses an account until a moment. A pause that lasts longer stays: whoever wants the shorter one may not know of it.
-- KEYS  1 account
-- ARGV  1 until (ms)
-- Returns until when it is paused (ms)

-- include: clock

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'paused_until', 'paused_since')
local before = tonumber(account[1] or 0)
local till = math.max(before, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'paused_until', till, 'paused_since', before > now and account[2] or now)
return till
