-- Ends a pause, and has an account that is refused or down probed now: how it is, only an answer tells. A throttle is
-- the provider's word and stands, unless a person ends it as well.
-- KEYS  1 account  2 token bucket  3 due index  4 held index  5-8 of the event (see alert_health.lua)
-- ARGV  1 '1' to end the throttle too  2-4 of the event
-- Returns {1 where operators are told that it is well again, until when a throttle stands (ms, 0 = none does)}

-- include: clock
-- include: bucket
-- include: alert_health

local now = milliseconds()
local blocked = tonumber(redis.call('HGET', KEYS[2], 'blocked') or 0)
local stands = ARGV[1] ~= '1' and blocked > now
local account = redis.call('HMGET', KEYS[1], 'state', 'told')
local unwell = (account[1] or 'ok') ~= 'ok'
local told = account[2] and not unwell and not stands
if told then health_changed(2, 'ok', now, 'resumed', now) end
redis.call('HDEL', KEYS[1], 'paused_until', 'paused_since', 'failures', 'probe_wait', 'hint_until')
if not unwell then redis.call('HDEL', KEYS[1], 'refused', 'unreadable') end
if not stands then
  redis.call('HDEL', KEYS[1], 'throttles', 'throttled_since', 'throttled_until', 'throttled_why')
end
if unwell then redis.call('HSET', KEYS[1], 'probe_at', now) else redis.call('HDEL', KEYS[1], 'state', 'since') end
if ARGV[1] == '1' then
  bucket_unblock(bucket_load(KEYS[2]), now)
  -- The orders that met it are still due at its end: `unthrottle` brings them forward, or the `revive` sweep.
  redis.call('HSET', KEYS[1], 'unthrottle', 'express:-inf')
end
return {told and 1 or 0, stands and blocked or 0}
