-- Tells operators, once, of an account that has been throttled for long.
-- KEYS  1 account  2 token bucket  3 due index  4 held index  5-8 of the event (see alert_health.lua)
-- ARGV  1 how long that is (ms)  2-4 of the event
-- Returns 1 where they are told

-- include: clock
-- include: alert_health

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'state', 'told', 'throttled_since', 'throttled_until', 'throttled_why')
local since = tonumber(account[3])
if not since or (account[1] or 'ok') ~= 'ok' or account[2] == 'throttled' then return 0 end
-- One 429 and nothing since is not long: what counts is until when the provider wanted to be left alone.
if math.min(now, tonumber(account[4])) < since + tonumber(ARGV[1]) then return 0 end
health_changed(2, 'throttled', since, account[5], now)
return 1
