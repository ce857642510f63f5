-- Bring an order's next attempt forward: an operator, a provider's callback or a late check asks for it. The order
-- keeps its booked slot and the time it was due ('plan'), so that such a request never makes it later.
--
-- A provider may bring an order forward a few times in a row, then once in half a minute, until the order changes: GCRA
-- per order over what was granted ('hinted').
--
-- KEYS     order, due index, held index, token bucket, ordinary lane, express lane, late lane, stranded index
-- ARGS     id, minimum (ms between two attempts), rate (see bucket.lua), requester: 'sweep', 'provider', 'operator', 'override'
--          (an operator who ends the order's own hint) or 'customer' (who comes back from the payment)
-- Returns  {outcome, when the provider will be polled (ms), seq, due (ms)}, the last two if a message is to be sent:
--   'sent'                    send it
--   'soon'                    it is due sooner than a new attempt could be
--   'busy'                    an attempt is under way; another one follows it
--   'gone' or 'closed'        there is no such order, or polling cannot change it
--   'held'                    it waits for its account
--   'too_late'                a hint or the minimum forbids any further attempt before the deadline

-- include: clock
-- include: bucket

local ORDER, DUE, HELD, BUCKET, ORDINARY, EXPRESS, LATE, STRANDED = unpack(KEYS)
local args = cjson.decode(ARGV[1])

-- So many requests of a provider are granted at once, then one in so many ms.
local AT_ONCE, EVERY = 3, 30000
-- ms after the end of a cancelled order in which its customer may come back.
local RETURN_WITHIN = 3600000

local now = server_time()
local order = redis.call('HMGET', ORDER, 'status', 'lease', 'seq', 'due', 'ask', 'last_poll', 'hint', 'not_before',
  'deadline', 'slot', 'shift', 'line', 'express', 'plan', 'hinted', 'stranded', 'again', 'erased', 'bound', 'ended_by',
  'finished')
local status = order[1]
if not status then return {'gone'} end
-- A customer who comes back may have paid after all, where the provider cancelled the order a moment ago.
local returned = args.requester == 'customer' and status == 'cancelled' and order[20] == 'provider'
  and now < tonumber(order[21] or 0) + RETURN_WITHIN
if status == 'failed' or (status == 'cancelled' and not returned) or order[18] then return {'closed'} end
if returned then redis.call('HSET', ORDER, 'returned', now) end
local open = status == 'pending' or status == 'partial'
-- The credentials of its own user were forgotten at its end.
if not open and order[19] == '0' then return {'closed'} end
local override, express = args.requester == 'override', args.requester ~= 'sweep'
local hinted = math.max(now, tonumber(order[15] or 0))
local granted = args.requester == 'provider' and math.max(now, hinted - (AT_ONCE - 1) * EVERY) or now
local function count()
  if args.requester == 'provider' then redis.call('HSET', ORDER, 'hinted', hinted + EVERY) end
end

if tonumber(order[2] or 0) > now then
  if not order[17] or tonumber(order[17]) > granted then
    redis.call('HSET', ORDER, 'again', granted)
    count()
  end
  return {'busy'}
end
if override then redis.call('HDEL', ORDER, 'hint') end
if redis.call('ZSCORE', HELD, args.id) then return {'held'} end
local hint = override and 0 or tonumber(order[7] or 0)
local due = math.max(granted, tonumber(order[6] or 0) + args.minimum, hint, tonumber(order[8] or 0))
if open and due > tonumber(order[9]) then return {'too_late'} end

local planned = order[5] == '1'
local before = planned and tonumber(order[4] or math.huge) or math.huge
local rate = bucket_rate(args.rate)
local bucket = bucket_load(BUCKET, {ordinary = ORDINARY, express = EXPRESS, late = LATE}, 'order:' .. args.id)
local slot = tonumber(order[10])
local request = {
  slot = slot and slot - tonumber(order[11] or 0), lane = slot and (order[12] or 'ordinary'),
  express = express or order[13] == '1', override = override, plan = tonumber(order[14]),
}
if planned and not slot and not request.plan and before > due and before < math.huge then request.plan = before end
-- A sweep books at the end of the ordinary lane.
if args.requester == 'sweep' then request.plan = nil end
local at = math.max(due, math.ceil((bucket_offer(bucket, rate, due, request))))
-- Whether it already waits for the best slot there is.
local best = not override and slot and (order[13] == '1' or not express)
if planned and (best or before <= due or (args.requester == 'sweep' and before <= at)) then
  if express and not slot then redis.call('HSET', ORDER, 'express', 1) end
  return {'soon', best and math.max(now, before) or at}
end
local seq = tonumber(order[3]) + 1
redis.call('HSET', ORDER, 'seq', seq, 'due', due, 'ask', 1)
if express then redis.call('HSET', ORDER, 'express', 1) end
if override then redis.call('HSET', ORDER, 'override', 1, 'overridden', now) end
if request.plan then redis.call('HSET', ORDER, 'plan', request.plan) else redis.call('HDEL', ORDER, 'plan') end
redis.call('HDEL', ORDER, 'resent', 'resend_at')
if order[16] then
  redis.call('HDEL', ORDER, 'stranded')
  redis.call('ZREM', STRANDED, args.id)
end
redis.call('ZADD', DUE, due, args.id)
count()
return {'sent', at, seq, due}
