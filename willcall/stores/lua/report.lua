-- What an answer says of the whole account.
-- KEYS  1 account  2 token bucket  3 due index  4 held index  5-8 of the event for operators (see health.lua)
-- ARGV  1 signal: 'answered' | 'throttled' | 'unavailable' | 'unauthorized' | 'forbidden'  2 order id
--       3 '1' where the attempt was the account's probe  4 throttled until (ms, '' = no)
--       5 first and 6 longest interval between probes (ms)  7 outages in a row that take the account down
--       8 orders refused in a row that park it  9-12 rate (see bucket.lua)  13 why, in words for people
--       14-16 of the event for operators
-- Returns {state before, state after: 'ok' | 'unauthorized' | 'down', 1 where operators are told}

-- include: now
-- include: bucket
-- include: health

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'state', 'failures', 'forbidden', 'forbidden_by', 'probe_wait',
  'throttled_until', 'told')
local before = account[1] or 'ok'
local after = before
local signal = ARGV[1]

if signal == 'answered' or (signal == 'throttled' and before == 'down') then
  after = 'ok'
elseif signal == 'unauthorized' then
  after = 'unauthorized'
elseif signal == 'unavailable' then
  if redis.call('HINCRBY', KEYS[1], 'failures', 1) >= tonumber(ARGV[7]) and before == 'ok' then after = 'down' end
elseif signal == 'forbidden' and account[4] ~= ARGV[2] then
  redis.call('HSET', KEYS[1], 'forbidden_by', ARGV[2])
  if redis.call('HINCRBY', KEYS[1], 'forbidden', 1) >= tonumber(ARGV[8]) then after = 'unauthorized' end
end
if signal ~= 'unavailable' then redis.call('HDEL', KEYS[1], 'failures') end
if signal == 'answered' then
  redis.call('HDEL', KEYS[1], 'forbidden', 'forbidden_by', 'throttled_since', 'throttled_until', 'throttled_why')
  if account[6] then redis.call('HSET', KEYS[1], 'since', now) end
end
if signal == 'throttled' then
  redis.call('HINCRBY', KEYS[1], 'throttles', 1)
  -- A throttle lasts until a good answer, unless the account was left alone for longer than any probe would.
  if tonumber(account[6] or 0) + tonumber(ARGV[6]) < now then redis.call('HSET', KEYS[1], 'throttled_since', now) end
  redis.call('HSET', KEYS[1], 'throttled_until', math.max(tonumber(account[6] or 0), tonumber(ARGV[4])),
    'throttled_why', ARGV[13])
  bucket_block(bucket_load(KEYS[2]), bucket_rate(ARGV, 9), now, tonumber(ARGV[4]))
end

if after == 'ok' and before ~= 'ok' then
  redis.call('HSET', KEYS[1], 'state', 'ok', 'since', now)
  redis.call('HDEL', KEYS[1], 'probe_at', 'probe_wait', 'why')
elseif after ~= before then
  redis.call('HSET', KEYS[1], 'state', after, 'since', now, 'why', ARGV[13], 'probe_wait', ARGV[5], 'probe_at', now + tonumber(ARGV[5]))
elseif after ~= 'ok' and ARGV[3] == '1' then
  local wait = math.min(tonumber(account[5] or ARGV[5]) * 2, tonumber(ARGV[6]))
  redis.call('HSET', KEYS[1], 'probe_wait', wait, 'probe_at', now + wait)
end

-- A circuit that a 429 has closed is well again with the first good answer only.
local told = (after ~= before and after ~= 'ok') or (signal == 'answered' and account[7])
if told then health_changed(14, after, now, ARGV[13], now) end
return {before, after, told and 1 or 0}
