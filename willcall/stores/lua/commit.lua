-- Commits what became of an order, all at once, if the fence still holds.
-- KEYS  1 order  2 tickets  3 attempts  4 due index  5 held index  6 old status index  7 new status index
--       8 attention indexes (see attention.lua)  9 final index  10 late index  11 events  12 fetches index
--       13 delivery  14 undelivered index  15 untold index
--       16 counters of a minute  17 of an hour (both without the number of it, which follows from the clock)
--       18-21 of the event for operators (see alert.lua)  22 lacking index
--       23 token bucket  24-26 bookings: ordinary, express, late (see bucket.lua)  27 stranded index
--       28 order (its key without the id)  29 throttled orders  30 account, where a good answer of it was not reported
--       ('' otherwise): what counts only while it follows each other is forgotten
-- ARGV  1 id  2 expected seq  3 claim id ('' = not a poll)  4 place: 'due' | 'held' | 'none' | 'keep' (as it was)
--       5 look at it again (ms, of place 'due')  6 earliest next attempt (ms), used when somebody asked for one meanwhile
--       7 attempt (JSON, '' = none)  8 longest timeline  9 tickets (JSON, '' = unchanged)
--       10 next late check (ms, '' = none)  11 event id ('' = no event)  12 event type  13 event data (JSON)
--       14 wait until its documents are fetched (ms, '' = none are missing)
--       15 host that is to be told of the event ('' = nobody)
--       16 the counter that goes up by one ('' = none)  17 seconds that those of a minute are kept  18 of an hour
--       19-21 of the event for operators  22 the order (JSON without attention, '' = they are not told)
--       23 '1' where its hint asks to leave the whole account alone
--       24.. field, value pairs of the order ('' removes the field); last `owners`, what it holds (JSON, see ticket_owners.lua)
-- A change that is no poll leaves an attempt that is under way its claim while its answer may still count.
-- Returns {the new due time (ms), 0 where it has none; or, where nothing was written, -1: the fence did not hold, -2:
-- another order holds its tickets; wakes (see bookings.lua)}; repeated, because the answer to it was lost, it returns
-- the same time again

-- include: clock
-- include: bookings
-- include: attention
-- include: alert
-- include: ticket_owners

local fence = redis.call('HMGET', KEYS[1], 'seq', 'claim', 'again', 'number', 'deadline', 'settled', 'due', 'slot',
  'stranded', 'throttled', 'hinted', 'status')
if ARGV[3] ~= '' and fence[6] == ARGV[3] and tonumber(fence[1]) == ARGV[2] + 1 then
  return {tonumber(fence[7] or 0), {}}
end
if fence[1] ~= ARGV[2] or (ARGV[3] ~= '' and fence[2] ~= ARGV[3]) then return {-1, {}} end
local owning = ARGV[#ARGV - 1] == 'owners' and cjson.decode(ARGV[#ARGV])
if owning and owners_refuse(owning, ARGV[1]) then return {-2, {}} end

if KEYS[30] ~= '' then redis.call('HDEL', KEYS[30], 'failures', 'refused', 'unreadable') end
local now = milliseconds()
local keep = ARGV[4] == 'keep'
local set, drop = {'seq', tonumber(ARGV[2]) + 1}, {'resent', 'resend_at'}
-- What an attempt had booked went with its claim.
if not keep and (ARGV[3] == '' or fence[8]) then
  for _, part in ipairs({'slot', 'shift', 'line', 'plan', 'express', 'override', 'stranded'}) do drop[#drop + 1] = part end
end
local fields = {}
-- `undeliverable` follows from the delivery alone, whatever was true when the order was read; a newer event begins anew.
local function reason(given)
  if given ~= '' and given ~= 'undeliverable' then return given end
  local failed = ARGV[11] == '' and redis.call('HGET', KEYS[13], 'state') == 'undeliverable'
  return failed and 'undeliverable' or ''
end
for i = 24, #ARGV, 2 do
  local value = ARGV[i + 1]
  fields[ARGV[i]] = value
  if ARGV[i] == 'attention' or ARGV[i] == 'owners' or (keep and ARGV[i] == 'ask') then
    -- the first two are written with their indexes, the other belongs to the place
  elseif value == '' then
    drop[#drop + 1] = ARGV[i]
  else
    set[#set + 1] = ARGV[i]
    set[#set + 1] = value
  end
end
local closed = fields['status'] == 'failed' or fields['status'] == 'cancelled'
if ARGV[3] ~= '' or closed then for _, part in ipairs({'lease', 'claim', 'again'}) do drop[#drop + 1] = part end end
if ARGV[3] ~= '' then for _, part in ipairs({'settled', ARGV[3]}) do set[#set + 1] = part end end
local attention = reason(fields['attention'])
if attention_is(KEYS[1], KEYS[8], ARGV[1], attention, now) and attention ~= '' and ARGV[22] ~= '' then
  alert_attention(18, 19, attention, ARGV[22], now)
end

local due = 0
local amendable = fields['status'] == 'fulfilled' or fields['status'] == 'expired'
local allowed = (ARGV[4] == 'due' and tonumber(ARGV[6]) <= tonumber(fence[5])) or (ARGV[4] == 'none' and amendable)
local again = ARGV[3] ~= '' and fence[3] and allowed
if not keep then redis.call('ZREM', KEYS[5], ARGV[1]) end
if keep then
  due = redis.call('ZSCORE', KEYS[4], ARGV[1]) and tonumber(fence[7]) or 0
elseif ARGV[4] == 'due' or again then
  due = tonumber(ARGV[5]) or math.huge
  if again then
    local sooner = math.max(now, tonumber(ARGV[6]), tonumber(fence[3]))
    if sooner < due then
      for _, part in ipairs({'express', 1, 'ask', 1}) do set[#set + 1] = part end
      if ARGV[4] == 'due' and fields['ask'] == '1' then for _, part in ipairs({'plan', due}) do set[#set + 1] = part end end
      due = sooner
    end
  end
  redis.call('ZADD', KEYS[4], due, ARGV[1])
  set[#set + 1] = 'due'
  set[#set + 1] = due
else
  redis.call('ZREM', KEYS[4], ARGV[1])
  drop[#drop + 1] = 'due'
  if ARGV[4] == 'held' then redis.call('ZADD', KEYS[5], fields['finished'] == '' and fence[5] or '+inf', ARGV[1]) end
end
-- What changed may be asked about again as soon as the provider calls.
if fence[11] and (ARGV[9] ~= '' or fields['status'] ~= fence[12]) then drop[#drop + 1] = 'hinted' end
if not keep then
  if ARGV[23] == '1' and (due ~= 0 or ARGV[4] == 'held') then
    redis.call('SADD', KEYS[29], ARGV[1])
    for _, part in ipairs({'throttled', 1}) do set[#set + 1] = part end
  elseif fence[10] then
    redis.call('SREM', KEYS[29], ARGV[1])
    drop[#drop + 1] = 'throttled'
  end
end
redis.call('HDEL', KEYS[1], unpack(drop))
redis.call('HSET', KEYS[1], unpack(set))
local wakes = {}
if not keep and (fence[8] or fence[9] or closed) then
  local places = {order = KEYS[28], due = KEYS[4], fetches = KEYS[12], stranded = KEYS[27]}
  local lines = {ordinary = KEYS[24], express = KEYS[25], late = KEYS[26]}
  if fence[9] then redis.call('ZREM', KEYS[27], ARGV[1]) end
  if fence[8] then booking_ends(bucket_load(KEYS[23], lines, 'order:' .. ARGV[1]), now, places, wakes) end
  if closed then booking_ends(bucket_load(KEYS[23], lines, 'documents:' .. ARGV[1]), now, places, wakes) end
end

if KEYS[6] ~= KEYS[7] then
  redis.call('ZREM', KEYS[6], ARGV[1])
  redis.call('ZADD', KEYS[7], fence[4], ARGV[1])
end
if (fields['finished'] or '') ~= '' then redis.call('ZADD', KEYS[9], fields['finished'], ARGV[1]) end
if ARGV[10] ~= '' then
  redis.call('ZADD', KEYS[10], ARGV[10], ARGV[1])
elseif not keep then
  redis.call('ZREM', KEYS[10], ARGV[1])
end
if ARGV[9] ~= '' then redis.call('SET', KEYS[2], ARGV[9]) end
if owning then owners_hold(owning, ARGV[1]) end
if ARGV[14] ~= '' then
  for _, index in ipairs({KEYS[12], KEYS[22]}) do redis.call('ZADD', index, 'NX', now + tonumber(ARGV[14]), ARGV[1]) end
end
if ARGV[7] ~= '' then
  redis.call('LPUSH', KEYS[3], ARGV[7])
  redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[8]) - 1)
end
if ARGV[11] ~= '' then
  local cursor = redis.call('XADD', KEYS[11], '*', 'id', ARGV[11], 'type', ARGV[12], 'order_id', ARGV[1], 'at', now,
    'data', ARGV[13])
  local known = redis.call('HGET', KEYS[1], 'events')
  redis.call('HSET', KEYS[1], 'events', known and known .. ' ' .. cursor or cursor)
  if ARGV[15] ~= '' then
    local event = {id = ARGV[11], type = ARGV[12], at = now, data = ARGV[13], cursor = cursor, host = ARGV[15]}
    deliver(KEYS[13], KEYS[14], KEYS[15], ARGV[1], event)
  end
end
if ARGV[16] ~= '' then
  local minute, hour = KEYS[16] .. math.floor(now / 60000), KEYS[17] .. math.floor(now / 3600000)
  -- A counter that is new may have made the hash; any other finds that its end is set.
  if redis.call('HINCRBY', minute, ARGV[16], 1) == 1 then redis.call('EXPIRE', minute, ARGV[17]) end
  if redis.call('HINCRBY', hour, ARGV[16], 1) == 1 then redis.call('EXPIRE', hour, ARGV[18]) end
end
return {due, wakes}
