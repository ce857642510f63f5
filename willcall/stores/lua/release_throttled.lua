--!df flags=allow-undeclared-keys
-- Bring forward the orders of a throttle that an operator has ended, a batch at a time: those of the account whose own
-- hint caused it, those without a slot before their deadline, and those whose slots it had moved, in the order of their
-- slots. The last two may be of other accounts that share the bucket.
-- KEYS     account, token bucket, ordinary lane, express lane, late lane, throttled orders, held index, indexes of
--          bookings (see bookings.lua)
-- ARGS     count, minimum (ms between two attempts)
-- Returns  {1 if there may be more, reschedules (see bookings.lua)}

-- include: clock
-- include: bookings

local ACCOUNT, BUCKET, ORDINARY, EXPRESS, LATE, THROTTLED, HELD, STRANDED, ORDERS, DUES, ACCOUNTS, FETCHES,
  URGENT = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local from = redis.call('HGET', ACCOUNT, 'unthrottle')
if not from then return {0, {}} end
local now, count, reschedules = server_time(), args.count, {}
local bucket = bucket_load(BUCKET, {ordinary = ORDINARY, express = EXPRESS, late = LATE})
local indexes = {stranded = STRANDED, order = ORDERS, due = DUES, account = ACCOUNTS, fetches = FETCHES,
  urgent = URGENT}

local function bring_forward(id)
  local key, account = indexes.order .. id, booking_account(indexes, id)
  local order = redis.call('HMGET', key, 'seq', 'last_poll', 'not_before', 'deadline', 'due', 'lease', 'status')
  if not order[1] then return end
  redis.call('HDEL', key, 'hint', 'throttled', 'stranded')
  if not order[5] or tonumber(order[6] or 0) > now or redis.call('ZSCORE', HELD, id) then return end
  local due = math.max(now, tonumber(order[2] or 0) + args.minimum, tonumber(order[3] or 0))
  local open = order[7] == 'pending' or order[7] == 'partial'
  if due >= tonumber(order[5]) or (open and due > tonumber(order[4])) then return end
  redis.call('HSET', key, 'seq', order[1] + 1, 'due', due, 'ask', 1)
  redis.call('HDEL', key, 'resent', 'resend_at')
  redis.call('ZADD', indexes.due .. account, due, id)
  for _, part in ipairs({'order:' .. id, account, order[1] + 1, due}) do reschedules[#reschedules + 1] = part end
end

local throttled = redis.call('SPOP', THROTTLED, count)
for _, id in ipairs(throttled) do bring_forward(id) end
if #throttled == count then return {1, reschedules} end
local stranded = redis.call('ZPOPMIN', indexes.stranded, count)
for i = 1, #stranded, 2 do bring_forward(stranded[i]) end
if #stranded == 2 * count then return {1, reschedules} end

if from == 'hints' then -- the slots are released with the account that was resumed
  redis.call('HDEL', ACCOUNT, 'unthrottle')
  return {0, reschedules}
end
local lane, score = string.match(from, '^(%l+):(.*)$')
local found = redis.call('ZRANGEBYSCORE', bucket.lanes[lane], score, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
for i = 1, #found, 2 do
  local slot = math.max(now, tonumber(found[i + 1]) + bucket.shift)
  local kind, id = string.match(found[i], '^(%l+):(.*)$')
  local due
  if kind == 'order' then due = redis.call('HGET', indexes.order .. id, 'due') else due = redis.call('ZSCORE', indexes.fetches, id) end
  if due and tonumber(due) > slot then booking_reschedule(bucket, now, indexes, found[i], slot, nil, reschedules) end
end
if #found == 2 * count then
  local last = found[#found]
  redis.call('HSET', ACCOUNT, 'unthrottle', lane .. ':' .. (last == score and '(' or '') .. last)
  return {1, reschedules}
end
if lane ~= 'ordinary' then
  redis.call('HSET', ACCOUNT, 'unthrottle', (lane == 'express' and 'late' or 'ordinary') .. ':-inf')
  return {1, reschedules}
end
redis.call('HDEL', ACCOUNT, 'unthrottle')
return {0, reschedules}
