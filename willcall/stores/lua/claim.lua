--!df flags=allow-undeclared-keys
-- Allow one attempt to poll an order. Checks everything that must hold at one instant, and takes a token.
--
-- Example: minimum 1 s, one request in 5 s, burst 1. Twelve orders arrive at 0; their deadline is 12 s.
--   * The first is polled at 0. The next two book slots at about 5 and 10.
--   * The others would get 15, 20 and so on. No slot after the deadline is given: they are due at 12 with `ask` 0, and
--     expire then without a request. If the order at 5 is cancelled at 3, one of them gets its slot.
--   * The first was answered and is due at 12 for its last attempt. The token is there only at 15, so it expires. If
--     the token were there, it would be polled up to 2 s after its deadline (or up to the minimum, if that is longer),
--     because its message may arrive late. Never later than that.
--
-- KEYS     order, spec, tickets, due index, held index, token bucket, account, attention indexes, ordinary lane,
--          express lane, late lane, progress of the provider's queue, indexes of bookings (see bookings.lua), changes,
--          intervals that orders share (prefix)
-- ARGS     id, seq (of the message), claim (id of this claim), lease (ms), rate (see bucket.lua), minimum (ms between
--          two attempts), last_attempt (ms that the last one may be late)
-- Returns  {verdict, now, ...}, where `reschedules` is as in bookings.lua:
--   'gone', 'stale' or 'closed'   this message has nothing to do, ever
--   'busy'                        another worker is polling the order (repeating one's own claim grants it again)
--   'held', reschedules           the account is stopped or paused; the order is in the held index now
--   'wait', until (ms), booked, reschedules     come back then; booked 1 if a token was booked for that moment just now
--   'expire', order, spec, tickets, reschedules  the deadline has come, and no further attempt is allowed
--   'go', order, spec, tickets, account, at (ms), reschedules   send the request at that moment, not before. The token
--                                 is taken; lease and claim id are set. account: 'probe', 'clean' or 'marked'

-- include: clock
-- include: urgency
-- include: attention

local ORDER, SPEC, TICKETS, DUE, HELD, BUCKET, ACCOUNT, ATTENTION, ORDINARY, EXPRESS, LATE, PROGRESS,
  STRANDED, ORDERS, DUES, ACCOUNTS, FETCHES, URGENT, CHANGES, SHARED_INTERVALS = unpack(KEYS)
local args = cjson.decode(ARGV[1])
local indexes = {stranded = STRANDED, order = ORDERS, due = DUES, account = ACCOUNTS, fetches = FETCHES, urgent = URGENT}

local now = server_time()
local order = redis.call('HGETALL', ORDER)
if #order == 0 then return {'gone', now} end
local fields = {}
for i = 1, #order, 2 do fields[order[i]] = order[i + 1] end
if tonumber(fields.seq) ~= args.seq then return {'stale', now} end
local status = fields.status
local returned = status == 'cancelled' and fields.returned
local amendable = status == 'fulfilled' or status == 'expired' or returned
local ask = fields.ask == '1'
if status == 'failed' or (status == 'cancelled' and not returned) or (amendable and not ask) then return {'closed', now} end

local function answer(verdict, ...)
  local texts = redis.call('MGET', SPEC, TICKETS)
  return {verdict, now, order, texts[1] or '', texts[2] or '', ...}
end

if tonumber(fields.lease or 0) > now then
  if fields.claim == args.claim then
    return answer('go', 'marked', string.format('%.3f', math.max(now, tonumber(fields.at or 0))), {})
  end
  return {'busy', now}
end
local rate = bucket_rate(args.rate)
local slot = tonumber(fields.slot)
local due = tonumber(fields.due or 0)
if due > now + (slot and EARLY or 0) then return {'wait', now, due - (slot and rate.early or 0), 0, {}} end

local deadline = tonumber(fields.deadline)
local last_moment = deadline + math.max(args.last_attempt, args.minimum)
if not ask or (not amendable and now > last_moment) then return answer('expire', {}) end

-- How far the workers have come, for `resend_polls`. Orders with a slot overtake others, so they don't count.
local function record_progress(busy_until)
  if not slot and busy_until then
    redis.call('HSET', PROGRESS, 'reached', due, 'reached_at', now, 'busy_until', busy_until)
  elseif busy_until then
    redis.call('HSET', PROGRESS, 'busy_until', busy_until)
  elseif not slot then
    redis.call('HSET', PROGRESS, 'reached', due, 'reached_at', now)
  end
end
local account = redis.call('HMGET', ACCOUNT, 'state', 'probe_at', 'paused_until', 'failures', 'refused',
  'throttled_since', 'unreadable', 'probe', 'throttled_until')
local state = account[1] or 'ok'
-- The account's key is of no importance for an order that has credentials of its own user.
if state == 'unauthorized' and fields.bound then state = 'ok' end
local probe = false
if tonumber(account[3] or 0) > now then
  state = 'paused'
elseif state ~= 'ok' then
  -- An order that was refused or unreadable itself says nothing about the account. It probes only if it was chosen to.
  local troubled = fields.refusals or fields.attention == 'malformed'
  probe = tonumber(account[2] or 0) <= now and (not troubled or account[8] == args.id)
end
local booking = 'order:' .. args.id
local bucket = bucket_load(BUCKET, {ordinary = ORDINARY, express = EXPRESS, late = LATE}, booking)
local reschedules = {}
-- A throttle of the account applies to the bucket that it shares since then.
bucket_block(bucket, now, tonumber(account[9] or 0))
if state ~= 'ok' and not probe then
  record_progress()
  if not amendable and deadline <= now then return answer('expire', {}) end
  redis.call('ZREM', DUE, args.id)
  redis.call('ZADD', HELD, amendable and '+inf' or deadline, args.id)
  redis.call('HDEL', ORDER, 'due', 'slot', 'shift', 'line', 'since', 'plan')
  if slot and bucket.shared then
    booking_cancel(bucket, now, indexes, reschedules)
  elseif slot then
    bucket_leave(bucket, fields.line or 'ordinary', booking)
  end
  if state == 'unauthorized' and set_attention(ORDER, ATTENTION, args.id, state, now) then
    redis.call('ZADD', CHANGES, now, args.id)
  end
  return {'held', now, reschedules}
end

-- Orders of one reference share a minimum interval. This one leaves its slot, which would come too soon.
local shared_interval = fields.sharing and SHARED_INTERVALS .. fields.sharing
local shared_wait = shared_interval and redis.call('PTTL', shared_interval) or 0
if shared_wait > 0 then
  record_progress()
  if slot then booking_cancel(bucket, now, indexes, reschedules) end
  redis.call('HDEL', ORDER, 'slot', 'shift', 'line', 'since')
  redis.call('HSET', ORDER, 'due', now + shared_wait)
  redis.call('ZADD', DUE, now + shared_wait, args.id)
  return {'wait', now, now + shared_wait, 0, reschedules}
end

local override = fields.override == '1'
if override and tonumber(fields.overridden or now) < tonumber(redis.call('HGET', BUCKET, 'throttled') or 0) then
  -- The provider throttled the account after the operator's request, who did not know of it.
  override = false
  redis.call('HDEL', ORDER, 'override', 'overridden')
  order = redis.call('HGETALL', ORDER)
end
local request = {
  slot = slot and slot - tonumber(fields.shift or 0), lane = slot and (fields.line or 'ordinary'),
  express = fields.express == '1', override = override, plan = tonumber(fields.plan),
}
-- An order with an event may take the slot of another one, if its own would be after its deadline.
local event = not amendable and not request.override and tonumber(fields.event)
local limit = (amendable or event) and math.huge or deadline
local result = bucket_take(bucket, rate, now, request, limit)
if result.left or request.express then
  if result.freed and result.left ~= 'express' then
    booking_give_slot(bucket, now, indexes, result.left, result.freed, reschedules)
  end
  if (result.left == 'express' and result.lane ~= 'express') or (result.at and request.express) then
    booking_advance_express(bucket, now, indexes, reschedules)
  end
end

local since = slot and tonumber(fields.since)
if not since or since < tonumber(fields.last_poll or 0) then since = due end
local function keep_booking()
  redis.call('HSET', ORDER, 'due', math.ceil(result.slot), 'slot', result.slot - bucket.shift, 'shift', 0,
    'line', result.lane, 'since', since)
end
if result.lane then keep_booking() end
if event and slot and bucket.urgent and not result.lane then redis.call('ZREM', URGENT, booking) end
if (bucket.urgent or event) and (result.at or result.lane) then
  local urgency = urgency_index(bucket, rate, now, indexes, reschedules)
  if event and result.lane then urgency.add(since, event) end
  local own = bucket.urgent and state == 'ok' and urgency.promote()
  if own then
    result.slot, result.lane, result.early = own.slot, own.lane, own.lane == 'late' and EARLY or rate.early
    keep_booking()
  end
end
if event and result.lane and result.slot > deadline then
  booking_cancel(bucket, now, indexes, reschedules)
  result.slot = nil
end

if result.slot then
  record_progress()
  local back = math.ceil(result.slot)
  if not result.lane then
    if not request.override then redis.call('HDEL', ORDER, 'slot', 'shift', 'line', 'since') end
    redis.call('HSET', ORDER, 'due', back)
  end
  redis.call('ZADD', DUE, back, args.id)
  return {'wait', now, back - result.early, result.lane and 1 or 0, reschedules}
end
if not result.at then
  record_progress()
  if now >= deadline then return answer('expire', reschedules) end
  redis.call('HDEL', ORDER, 'slot', 'shift', 'line', 'since', 'express', 'plan', 'override', 'overridden')
  redis.call('HSET', ORDER, 'due', deadline, 'ask', 0, 'stranded', 1)
  redis.call('ZADD', DUE, deadline, args.id)
  redis.call('ZADD', indexes.stranded, deadline, args.id)
  return {'wait', now, deadline, 0, reschedules}
end
if probe then
  redis.call('HSET', ACCOUNT, 'probe_at', now + args.lease)
  redis.call('HDEL', ACCOUNT, 'probe')
end
redis.call('HSET', ORDER, 'lease', now + args.lease, 'claim', args.claim)
if shared_interval and args.minimum > 0 then
  redis.call('SET', shared_interval, args.id, 'PX', math.ceil(math.max(0, result.at - now) + args.minimum))
end
-- Until then the other orders of the queue may be waiting for the slot that this attempt occupies.
record_progress(now + args.lease)
if result.at > now then redis.call('HSET', ORDER, 'at', result.at) end
-- An attempt that was wanted while a worker that died held the order ('again') is this one.
if slot or fields.express or fields.again then
  redis.call('HDEL', ORDER, 'slot', 'shift', 'line', 'since', 'express', 'plan', 'override', 'overridden',
    'again')
end
local clean = state == 'ok' and tonumber(account[4] or 0) == 0 and not (account[5] or account[6] or account[7])
return answer('go', probe and 'probe' or (clean and 'clean' or 'marked'), string.format('%.3f', result.at), reschedules)
