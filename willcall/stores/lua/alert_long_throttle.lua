-- Notify operators, once, of an account that has been throttled for long.
-- KEYS     account, token bucket, due index, held index, and the four keys of an alert (see alert.lua)
-- ARGS     throttled_for (ms), alert (see alert.lua)
-- Returns  1 if they are notified

-- include: clock
-- include: alert_health

local ACCOUNT = KEYS[1]
local args = cjson.decode(ARGV[1])

local now = server_time()
local account = redis.call('HMGET', ACCOUNT, 'state', 'told', 'throttled_since', 'throttled_until', 'throttled_why')
local since = tonumber(account[3])
if not since or (account[1] or 'ok') ~= 'ok' or account[2] == 'throttled' then return 0 end
-- One 429 and no request since is not long: what counts is until when the provider asked us to wait.
if math.min(now, tonumber(account[4])) < since + args.throttled_for then return 0 end
alert_health({ACCOUNT, unpack(KEYS, 3)}, args.alert, 'throttled', since, account[5], now)
return 1
