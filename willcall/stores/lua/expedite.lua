-- Asks for an attempt ahead of its time: a person, a provider's callback, a late check. The order keeps the slot that it
-- has booked, and when it was due ('plan'), so that asking sooner never makes it later.
--
-- A provider may have an order asked about sooner a few times in a row, then once every half a minute, until the order
-- changes: GCRA per order on what was granted ('hinted').
-- KEYS  1 order  2 due index  3 held index  4 token bucket  5-7 bookings: ordinary, express, late (see bucket.lua)
--       8 stranded index
-- ARGV  1 id  2 minimum between two attempts (ms)  3 requester: 'sweep' | 'provider' | 'person' | 'override', where the
--       last ends the order's own hint  4-7 rate (see bucket.lua)
-- Returns {verdict, when the provider will be asked (ms), seq, due (ms)}, the last two where a message is to be sent:
--   'sent'                    send it
--   'soon'                    it is due sooner than a new attempt could be
--   'busy'                    an attempt is under way, another follows it
--   'gone' | 'closed'         there is nothing to ask
--   'held'                    it waits for its account
--   'too_late'                a hint or the minimum forbids any further attempt before the deadline

-- include: clock
-- include: bucket

-- So many requests of the provider's are granted at once, then one in so many milliseconds.
local AT_ONCE, EVERY = 3, 30000

local now = milliseconds()
local order = redis.call('HMGET', KEYS[1], 'status', 'lease', 'seq', 'due', 'ask', 'last_poll', 'hint', 'not_before',
  'deadline', 'slot', 'shift', 'line', 'express', 'plan', 'hinted', 'stranded', 'again')
local status = order[1]
if not status then return {'gone'} end
if status == 'failed' or status == 'cancelled' then return {'closed'} end
local open = status == 'pending' or status == 'partial'
local override, express = ARGV[3] == 'override', ARGV[3] ~= 'sweep'
local hinted = math.max(now, tonumber(order[15] or 0))
local granted = ARGV[3] == 'provider' and math.max(now, hinted - (AT_ONCE - 1) * EVERY) or now
local function count()
  if ARGV[3] == 'provider' then redis.call('HSET', KEYS[1], 'hinted', hinted + EVERY) end
end

if tonumber(order[2] or 0) > now then
  if not order[17] or tonumber(order[17]) > granted then
    redis.call('HSET', KEYS[1], 'again', granted)
    count()
  end
  return {'busy'}
end
if override then redis.call('HDEL', KEYS[1], 'hint') end
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'held'} end
local hint = override and 0 or tonumber(order[7] or 0)
local due = math.max(granted, tonumber(order[6] or 0) + tonumber(ARGV[2]), hint, tonumber(order[8] or 0))
if open and due > tonumber(order[9]) then return {'too_late'} end

local asked = order[5] == '1'
local before = asked and tonumber(order[4] or math.huge) or math.huge
local rate = bucket_rate(ARGV, 4)
local bucket = bucket_load(KEYS[4], {ordinary = KEYS[5], express = KEYS[6], late = KEYS[7]}, 'order:' .. ARGV[1])
local slot = tonumber(order[10])
local request = {
  slot = slot and slot - tonumber(order[11] or 0), line = slot and (order[12] or 'ordinary'),
  express = express or order[13] == '1', override = override, plan = tonumber(order[14]),
}
if asked and not slot and not request.plan and before > due and before < math.huge then request.plan = before end
local at = math.max(due, math.ceil((bucket_offer(bucket, rate, due, request))))
-- It waits for the best that there is already, or is due sooner than that.
local best = not override and slot and (order[13] == '1' or not express)
if asked and (best or before <= due) then
  if express and not slot then redis.call('HSET', KEYS[1], 'express', 1) end
  return {'soon', best and math.max(now, before) or at}
end
if ARGV[3] == 'sweep' then request.plan = nil end
local seq = tonumber(order[3]) + 1
redis.call('HSET', KEYS[1], 'seq', seq, 'due', due, 'ask', 1)
if express then redis.call('HSET', KEYS[1], 'express', 1) end
if override then redis.call('HSET', KEYS[1], 'override', 1) end
if request.plan then redis.call('HSET', KEYS[1], 'plan', request.plan) else redis.call('HDEL', KEYS[1], 'plan') end
redis.call('HDEL', KEYS[1], 'resent', 'resend_at')
if order[16] then
  redis.call('HDEL', KEYS[1], 'stranded')
  redis.call('ZREM', KEYS[8], ARGV[1])
end
redis.call('ZADD', KEYS[2], due, ARGV[1])
count()
return {'sent', at, seq, due}
