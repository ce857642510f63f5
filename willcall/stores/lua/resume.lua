-- End a pause. An account that rejects our key or is down is probed now, because only an answer shows its health. A
-- throttle is the provider's decision and remains, unless an operator ends it too. That ends it for all accounts that
-- share the bucket.
-- KEYS     account, token bucket, due index, held index, the four keys of an alert (see alert.lua), and the other
--          accounts that share the bucket
-- ARGS     end_throttle (boolean), alert (see alert.lua)
-- Returns  {1 if operators are notified that the account is healthy, until when a throttle stays (ms, 0 = none)}

-- include: clock
-- include: bucket
-- include: alert_health

local ACCOUNT, BUCKET = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])

local now = server_time()
local blocked = tonumber(redis.call('HGET', BUCKET, 'blocked') or 0)
local throttled = not args.end_throttle and blocked > now
local account = redis.call('HMGET', ACCOUNT, 'state', 'told')
local stopped = (account[1] or 'ok') ~= 'ok'
local recovered = account[2] and not stopped and not throttled
if recovered then
  alert_health({ACCOUNT, unpack(KEYS, 3, 8)}, args.alert, 'ok', now, 'resumed', now)
end
redis.call('HDEL', ACCOUNT, 'paused_until', 'paused_since', 'failures', 'probe_wait', 'hint_until')
if not stopped then redis.call('HDEL', ACCOUNT, 'refused', 'unreadable') end
local function end_throttle(key)
  redis.call('HDEL', key, 'throttles', 'throttled_since', 'throttled_until', 'throttled_why')
end
if not throttled then end_throttle(ACCOUNT) end
if stopped then redis.call('HSET', ACCOUNT, 'probe_at', now) else redis.call('HDEL', ACCOUNT, 'state', 'since') end
if args.end_throttle then
  bucket_unblock(bucket_load(BUCKET), now)
  -- The orders that met it are still due at its end. `release_throttled` brings them forward.
  redis.call('HSET', ACCOUNT, 'unthrottle', 'express:-inf')
  for i = 9, #KEYS do
    end_throttle(KEYS[i])
    redis.call('HSET', KEYS[i], 'unthrottle', 'hints')
  end
end
return {recovered and 1 or 0, throttled and blocked or 0}
