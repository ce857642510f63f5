-- What an answer says of the whole account.
-- KEYS  1 account  2 token bucket  3 due index  4 held index  5-8 of the event for operators (see alert_health.lua)
-- ARGV  1 signal: 'answered' | 'throttled' | 'unavailable' | 'unauthorized' | 'forbidden' | 'malformed'
--       2 order id ('' = it counts no further: an order that is unreadable for long says so once)
--       3 '1' where the attempt was the account's probe
--       4 nobody may ask before (ms, '' = no): the end of a throttle, or of the wait that a 401 asked for
--       5 first and 6 longest interval between probes (ms)  7 outages in a row that take the account down
--       8 different orders refused (403), and 9 different orders unreadable, with no good answer in between, that stop it
--       10-13 rate (see bucket.lua)  14 why, in words for people  15-17 of the event for operators
-- Returns {state before, state after: 'ok' | 'unauthorized' | 'down', 1 where operators are told}

-- include: clock
-- include: bucket
-- include: alert_health

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'state', 'probe_wait', 'throttled_until', 'told')
local before = account[1] or 'ok'
local after = before
local signal = ARGV[1]

-- Adds the order to a set of at most `enough` ids, kept in a field. Returns whether it is full.
local function enough_orders(field, enough)
  local ids = cjson.decode(redis.call('HGET', KEYS[1], field) or '[]')
  for _, id in ipairs(ids) do
    if id == ARGV[2] then return #ids >= enough end
  end
  if ARGV[2] ~= '' and #ids < enough then
    ids[#ids + 1] = ARGV[2]
    redis.call('HSET', KEYS[1], field, cjson.encode(ids))
  end
  return #ids >= enough
end

-- A refused order or a throttle are answers, too: whoever gives them is not down.
if signal == 'answered' or (before == 'down' and (signal == 'throttled' or signal == 'forbidden')) then after = 'ok' end
if signal == 'unauthorized' then
  after = 'unauthorized'
elseif signal == 'unavailable' then
  if redis.call('HINCRBY', KEYS[1], 'failures', 1) >= tonumber(ARGV[7]) and before == 'ok' then after = 'down' end
elseif signal == 'forbidden' then
  if enough_orders('refused', tonumber(ARGV[8])) then after = 'unauthorized' end
elseif signal == 'malformed' then
  if enough_orders('unreadable', tonumber(ARGV[9])) and before == 'ok' then after = 'down' end
end
if signal ~= 'unavailable' and signal ~= 'malformed' then redis.call('HDEL', KEYS[1], 'failures') end
if signal == 'answered' then
  redis.call('HDEL', KEYS[1], 'refused', 'unreadable', 'throttled_since', 'throttled_until', 'throttled_why')
  if account[3] then redis.call('HSET', KEYS[1], 'since', now) end
end
if signal == 'throttled' then
  redis.call('HINCRBY', KEYS[1], 'throttles', 1)
  -- A throttle lasts until a good answer, unless the account was left alone for longer than any probe would.
  if tonumber(account[3] or 0) + tonumber(ARGV[6]) < now then redis.call('HSET', KEYS[1], 'throttled_since', now) end
  redis.call('HSET', KEYS[1], 'throttled_until', math.max(tonumber(account[3] or 0), tonumber(ARGV[4])),
    'throttled_why', ARGV[14])
  bucket_block(bucket_load(KEYS[2]), bucket_rate(ARGV, 10), now, tonumber(ARGV[4]))
end

local function probe_after(wait)
  redis.call('HSET', KEYS[1], 'probe_wait', wait, 'probe_at', math.max(now + wait, tonumber(ARGV[4]) or 0))
end

if after == 'ok' and before ~= 'ok' then
  redis.call('HSET', KEYS[1], 'state', 'ok', 'since', now)
  redis.call('HDEL', KEYS[1], 'probe_at', 'probe_wait', 'probe', 'probes', 'why', 'hint_until')
elseif after ~= before then
  redis.call('HSET', KEYS[1], 'state', after, 'since', now, 'why', ARGV[14])
  redis.call('HDEL', KEYS[1], 'probe', 'probes')
  probe_after(tonumber(ARGV[5]))
elseif after ~= 'ok' and ARGV[3] == '1' then
  probe_after(math.min(tonumber(account[2] or ARGV[5]) * 2, tonumber(ARGV[6])))
end

-- A circuit that a 429 has closed is well again with the first good answer only.
local told = (after ~= before and after ~= 'ok') or (signal == 'answered' and account[4])
if told then health_changed(15, after, now, ARGV[14], now) end
return {before, after, told and 1 or 0}
