-- Brings forward the orders that met a hint for the account which a person has ended, a batch at a time: those whose own
-- it was, those that had no slot before their deadline, and those whose slots it had moved, in the order of these.
-- KEYS  1 account  2 token bucket  3-5 bookings: ordinary, express, late (see bucket.lua)  6 stranded index
--       7 throttled orders  8 due index  9 order (its key without the id)  10 fetches index  11 held index
-- ARGV  1 how many  2 minimum between two attempts (ms)
-- Returns {1 where there may be more, wakes (see bookings.lua)}

-- include: clock
-- include: bookings

local from = redis.call('HGET', KEYS[1], 'unthrottle')
if not from then return {0, {}} end
local now, count, wakes = milliseconds(), tonumber(ARGV[1]), {}
local bucket = bucket_load(KEYS[2], {ordinary = KEYS[3], express = KEYS[4], late = KEYS[5]})
local places = {order = KEYS[9], due = KEYS[8], fetches = KEYS[10], stranded = KEYS[6]}

local function goes_on(id)
  local key = KEYS[9] .. id
  local order = redis.call('HMGET', key, 'seq', 'last_poll', 'not_before', 'deadline', 'due', 'lease', 'status')
  if not order[1] then return end
  redis.call('HDEL', key, 'hint', 'throttled', 'stranded')
  if not order[5] or tonumber(order[6] or 0) > now or redis.call('ZSCORE', KEYS[11], id) then return end
  local due = math.max(now, tonumber(order[2] or 0) + tonumber(ARGV[2]), tonumber(order[3] or 0))
  local open = order[7] == 'pending' or order[7] == 'partial'
  if due >= tonumber(order[5]) or (open and due > tonumber(order[4])) then return end
  redis.call('HSET', key, 'seq', order[1] + 1, 'due', due, 'ask', 1)
  redis.call('HDEL', key, 'resent', 'resend_at')
  redis.call('ZADD', KEYS[8], due, id)
  for _, part in ipairs({'order:' .. id, order[1] + 1, due}) do wakes[#wakes + 1] = part end
end

local throttled = redis.call('SPOP', KEYS[7], count)
for _, id in ipairs(throttled) do goes_on(id) end
if #throttled == count then return {1, wakes} end
local stranded = redis.call('ZPOPMIN', KEYS[6], count)
for i = 1, #stranded, 2 do goes_on(stranded[i]) end
if #stranded == 2 * count then return {1, wakes} end

local line, score = string.match(from, '^(%l+):(.*)$')
local found = redis.call('ZRANGEBYSCORE', bucket.lines[line], score, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
for i = 1, #found, 2 do
  local slot = math.max(now, tonumber(found[i + 1]) + bucket.shift)
  local kind, id = string.match(found[i], '^(%l+):(.*)$')
  local due
  if kind == 'order' then due = redis.call('HGET', KEYS[9] .. id, 'due') else due = redis.call('ZSCORE', KEYS[10], id) end
  if due and tonumber(due) > slot then booking_wakes(bucket, now, places, found[i], slot, nil, wakes) end
end
if #found == 2 * count then
  local last = found[#found]
  redis.call('HSET', KEYS[1], 'unthrottle', line .. ':' .. (last == score and '(' or '') .. last)
  return {1, wakes}
end
if line ~= 'ordinary' then
  redis.call('HSET', KEYS[1], 'unthrottle', (line == 'express' and 'late' or 'ordinary') .. ':-inf')
  return {1, wakes}
end
redis.call('HDEL', KEYS[1], 'unthrottle')
return {0, wakes}
