-- Writes what became of telling somebody, if the claim still holds.
-- KEYS  1 delivery  2 log  3 undelivered index  4 untold index; if it is about an order:
--       5 order  6 attention indexes (see attention.lua)  7-10 of the event for operators (see alert.lua)
-- ARGV  1 subject  2 claim id  3 event id  4 number claimed  5 'pending' (try again) | 'delivered' | 'undeliverable'
--       6 next try in (ms, of 'pending')  7 line of the log (JSON)  8 longest log
--       9-11 of the event for operators  12 the order (JSON without attention, '' = they are not told)
-- Returns {now, event id, number, host, due}: send this message; or {now} where nothing is to be told any more, or
-- another worker has taken over; repeated, because the answer to it was lost, it writes nothing again

-- include: clock
-- include: attention
-- include: alert

local now = milliseconds()
local record = redis.call('HMGET', KEYS[1], 'event', 'number', 'claim', 'settled')
if not record[1] then return {now} end

local function following()
  local next = redis.call('HMGET', KEYS[1], 'event', 'number', 'host', 'due')
  if not next[4] then return {now} end
  return {now, next[1], tonumber(next[2]), next[3], tonumber(next[4])}
end

if record[4] == ARGV[2] then return following() end
redis.call('LPUSH', KEYS[2], ARGV[7])
redis.call('LTRIM', KEYS[2], 0, tonumber(ARGV[8]) - 1)
if record[3] ~= ARGV[2] then return {now} end
redis.call('HDEL', KEYS[1], 'lease', 'claim')
redis.call('HSET', KEYS[1], 'settled', ARGV[2])

-- Meanwhile a newer event may have come, or somebody may have asked to tell this one anew.
local current = record[1] == ARGV[3]
local unchanged = current and record[2] == ARGV[4]
if current and ARGV[5] == 'delivered' then
  redis.call('HSET', KEYS[1], 'state', 'delivered')
  redis.call('HDEL', KEYS[1], 'due', 'data', 'tries', 'resent', 'resend_at')
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[4], ARGV[1])
elseif unchanged and ARGV[5] == 'pending' then
  local due = now + tonumber(ARGV[6])
  redis.call('HINCRBY', KEYS[1], 'tries', 1)
  redis.call('HSET', KEYS[1], 'number', ARGV[4] + 1, 'due', due)
  redis.call('HDEL', KEYS[1], 'resent', 'resend_at')
  redis.call('ZADD', KEYS[3], due, ARGV[1])
elseif unchanged then
  redis.call('HSET', KEYS[1], 'state', 'undeliverable')
  redis.call('HDEL', KEYS[1], 'due', 'resent', 'resend_at')
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('ZREM', KEYS[4], ARGV[1])
  if KEYS[5] and not redis.call('HGET', KEYS[5], 'attention') then
    attention_is(KEYS[5], KEYS[6], ARGV[1], ARGV[5], now)
    if ARGV[12] ~= '' then alert_attention(7, 9, ARGV[5], ARGV[12], now) end
  end
end
return following()
