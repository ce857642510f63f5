-- The token bucket of one account or of several that share it: GCRA over the requests that were sent, with reservation
-- of slots.
--
-- GCRA (generic cell rate algorithm) needs one number: `tat`, the theoretical arrival time, at which the bucket is full
-- again. Each request adds an interval to it. A request may be sent while `tat` is no further ahead than the burst
-- allows. A request that may not be sent yet books a slot and comes back then. All times are milliseconds.
--
-- The hash of a bucket
--   tat       as above; only requests that were SENT count
--   express   when the express share allows its next request
--   blocked   nothing is sent before this moment (429)
--   throttled when the last 429 came
--   shift     how far all slots that are booked now were moved by 429s in total
--   late      the last slot of the late lane, minus shift
--   promised  the slot that was booked last in the express lane, minus shift
--   early, sent, interval, shared    of the rate, as of the last booking, for scripts that are not given the rate
--   urgent    1 if bookings may be in its index by urgency (see urgency.lua)
--
-- Three sorted sets, the lanes, hold the requests that wait: booking -> slot minus shift. A 429 moves all slots by
-- adding to `shift`, and ending it by hand moves them back: one write, however many requests wait.
--   ordinary  slots one interval apart
--   express   for requests that were brought forward; slots one interval of the express share apart
--   late      for requests that missed their slot. They get the next tokens, one after the other. Ordinary requests
--             queue behind the last of them; express requests may overtake
--
-- rate = {interval = ms per token, express = ms per token of the express share, sent = how far `tat` may be ahead of a
--         request that is sent, booked = the same for a request without a slot, shared = 1 if several accounts share
--         the bucket}
--
-- Example: 10 requests a second, burst 5. interval is 100, sent 300, booked 50. Twenty orders arrive at 0. Nothing was
-- sent before, so tat is 0.
--   * A request without a slot is sent if tat - booked <= now. The first one is sent, and tat is 100. The second is
--     not: 100 - 50 > 0. It books a slot, at least LEAD ahead: 100. The third books 200, and so on to 1,900.
--   * At 100 the second comes back. It has a slot, so it is sent if tat - sent <= now: 100 - 300 <= 100. `sent` exceeds
--     `booked` by 250, so that a request which comes that late still finds its token.
--   * The sixth order (slot 500) is cancelled at 200. The LAST order of the lane (slot 1,900) gets its slot. So no
--     order becomes later, and the next new order books 1,900 instead of 2,000.
--   * A 429 arrives at 300 with `Retry-After: 60`. blocked is 60,300 and shift 60,000: slot 500 means 60,500 now. An
--     operator ends it at 10,300. shift is 10,000 then, and slot 500 means 10,500.
--   * All workers stop from 100 to 1,150. The orders with slots 200 to 1,100 come all at once. tat is 200, long past,
--     so four of them are sent (tat 1,250, 1,350, 1,450, 1,550). The fifth is not: 1,550 - 300 > 1,150. It gets slot
--     1,250 in the late lane, the next ones 1,350, 1,450 and so on. The order with slot 1,200 joins the end of that
--     lane.
--
-- With burst 1, sent and booked are 0, and a late request would delay all others. So a request comes back EARLY ms
-- before its slot and is granted for its slot. The worker waits for the rest, and `tat` counts the slot.

-- A request that has to wait waits at least this long (ms), because a message cannot come back sooner.
local LEAD = 100
-- How long before its slot (ms) a request comes back if the burst does not absorb late messages, and in the late lane.
local EARLY = 100
-- A booking is removed if it was not used this long after its slot (ms).
local STALE = 3600000
-- How many entries of a lane are looked at to find one that is still wanted.
local LOOK = 10

-- Complete a rate by `early`: how long before its slot (ms) a request comes back.
local function bucket_rate(rate)
  rate.early = rate.sent - rate.booked < EARLY and EARLY or 0
  return rate
end

-- lanes: keys of the three lanes. booking: the request's name. Both may be left out if there is no request.
local function bucket_load(key, lanes, booking)
  local values = redis.call('HMGET', key, 'tat', 'express', 'blocked', 'shift', 'late', 'early', 'sent', 'interval',
    'shared', 'urgent', 'promised')
  local shift = tonumber(values[4]) or 0
  return {
    key = key, lanes = lanes, booking = booking, tat = tonumber(values[1]) or 0, express = tonumber(values[2]) or 0,
    blocked = tonumber(values[3]) or 0, shift = shift, late = values[5] and tonumber(values[5]) + shift or 0,
    early = tonumber(values[6]) or 0, sent = tonumber(values[7]) or 0, interval = tonumber(values[8]) or 0,
    shared = values[9] == '1', urgent = values[10] == '1',
    promised = values[11] and tonumber(values[11]) + shift or 0,
  }
end

-- Write the bucket. It expires a day after the last moment in it. `slot`: the slot that was just booked, if any.
local function bucket_save(bucket, now, slot)
  redis.call('HSET', bucket.key, 'tat', bucket.tat, 'express', bucket.express, 'blocked', bucket.blocked,
    'shift', bucket.shift)
  local last = math.max(bucket.tat, bucket.express, bucket.blocked, now, slot or 0)
  local kept = math.ceil(last - now) + 86400000
  redis.call('PEXPIRE', bucket.key, kept)
  if slot then
    for _, lane in pairs(bucket.lanes) do redis.call('PEXPIRE', lane, kept) end
  end
end

-- Count a request that is sent at a moment. After a 429 the bucket starts empty.
local function bucket_send(bucket, rate, at)
  local after = bucket.blocked <= at and bucket.blocked + rate.sent or 0
  bucket.tat = math.max(bucket.tat, after, at) + rate.interval
end

-- Return the first or last booking of a lane and its slot, or nil.
local function bucket_end_of(bucket, lane, command)
  local found = redis.call(command, bucket.lanes[lane], 0, 0, 'WITHSCORES')
  if #found == 0 then return nil end
  return found[1], tonumber(found[2]) + bucket.shift
end

-- Book a slot in a lane.
local function bucket_book(bucket, lane, booking, slot, now)
  redis.call('ZADD', bucket.lanes[lane], slot - bucket.shift, booking)
  redis.call('ZREMRANGEBYSCORE', bucket.lanes[lane], '-inf', now - STALE - bucket.shift)
  if lane == 'late' and slot > bucket.late then
    bucket.late = slot
    redis.call('HSET', bucket.key, 'late', slot - bucket.shift)
  elseif lane == 'express' then
    bucket.promised = slot
    redis.call('HSET', bucket.key, 'promised', slot - bucket.shift)
  end
end

-- Remove a booking from its lane.
local function bucket_leave(bucket, lane, booking)
  redis.call('ZREM', bucket.lanes[lane], booking)
  if lane ~= 'late' then return end
  local _, last = bucket_end_of(bucket, 'late', 'ZREVRANGE')
  bucket.late = last or 0
  if last then
    redis.call('HSET', bucket.key, 'late', last - bucket.shift)
  else
    redis.call('HDEL', bucket.key, 'late')
  end
end

-- Return the first moment after all slots of the late lane that are still to come.
local function bucket_behind_late(bucket, interval, now)
  return bucket.late > now and bucket.late + interval or 0
end

-- Return when a request that could be sent now or soon may be sent, so that the next booking of the express lane finds
-- its token. Both may have booked the same moment: the ordinary lane has all tokens, and the express lane some of them.
local function bucket_beside_express(bucket, rate, now, at)
  if bucket.promised <= now - LEAD then return at end
  local first = redis.call('ZRANGEBYSCORE', bucket.lanes.express, now - LEAD - bucket.shift, '+inf', 'WITHSCORES',
    'LIMIT', 0, 1)
  if #first == 0 or first[1] == bucket.booking then return at end
  local slot = tonumber(first[2]) + bucket.shift
  if at < slot and math.max(bucket.tat, at) + rate.interval - rate.sent <= slot then return at end
  return math.max(at, math.max(bucket.tat, slot) + rate.interval - rate.sent)
end

-- Return the next free slot at the end of the ordinary lane, for a request that may not be sent before a moment.
local function bucket_end_of_ordinary(bucket, rate, now, from)
  local _, last = bucket_end_of(bucket, 'ordinary', 'ZREVRANGE')
  local behind = bucket_behind_late(bucket, rate.interval, now)
  return math.max(from, bucket.tat - rate.booked, last and last + rate.interval or 0, behind)
end

-- Return the earliest moment at which a request could be sent, and why: 'slot' (its own booking), 'ordinary' or
-- 'express' (the next free token of that lane), 'idle' (no other request wants the token), 'plan' (come back then,
-- without a booking).
-- request = {slot = its slot minus shift (nil: none), lane = of that slot, express = it may use the express share,
--            override = send it despite a 429, plan = when it was due before it was brought forward (nil: at once)}
local function bucket_offer(bucket, rate, now, request)
  local blocked = request.override and 0 or bucket.blocked
  local soonest = math.max(now, blocked, bucket.tat - rate.sent)
  local near = now + rate.early
  local slot = request.slot and request.slot + bucket.shift
  local behind = bucket_behind_late(bucket, rate.interval, now)

  local at, right = math.huge, 'none'
  local function offer(moment, by)
    if moment < at then at, right = moment, by end
  end
  if slot then
    local own = math.max(slot, soonest)
    -- A request that comes after its slot queues behind the late lane. One of the late lane is sent before that if its
    -- token is there, and keeps its place if an express request took that token.
    if request.lane == 'ordinary' and slot <= near then own = math.max(own, behind) end
    local latest = request.lane == 'late' and now + EARLY or near
    if own <= latest and request.lane == 'ordinary' then own = bucket_beside_express(bucket, rate, now, own) end
    if own <= latest then return own, 'slot' end
    if request.lane == 'late' and slot < now then own = math.max(own, behind) end
    offer(own, 'slot')
  end
  if (request.plan or 0) > now then
    offer(request.plan, 'plan')
  elseif not slot or request.lane == 'express' then
    local free = bucket_end_of_ordinary(bucket, rate, now, math.max(now, blocked))
    if free <= near then free = bucket_beside_express(bucket, rate, now, free) end
    offer(free > near and math.max(free, now + LEAD) or free, 'ordinary')
    if at <= near then return at, right end
  end
  if request.express then
    local first = bucket_end_of(bucket, 'express', 'ZRANGE')
    local alone = not first or first == bucket.booking
    if alone and math.max(now, blocked, bucket.tat) <= near then
      local waiting = bucket_end_of(bucket, 'ordinary', 'ZRANGE')
      if request.override or behind == 0 and (not waiting or waiting == bucket.booking) then
        return math.max(now, blocked, bucket.tat), 'idle'
      end
    end
    local free = math.max(soonest, bucket.express)
    if not alone and not request.override then
      local _, last = bucket_end_of(bucket, 'express', 'ZREVRANGE')
      free = math.max(free, last + rate.express)
    end
    offer(free > near and math.max(free, now + LEAD) or free, 'express')
  end
  return at, right
end

-- Take a token, or book the best slot there is in place of the request's own booking.
-- Returns one of
--   {at = when the request may be sent}
--   {slot = the slot to come back for, early = how long before it, lane = of the booking (nil: nothing is booked)}
--   {} if there is no slot before `limit`
-- each with `left`, the lane that the request has left, and `freed`, the slot it had there, for another request.
local function bucket_take(bucket, rate, now, request, limit)
  local at, right = bucket_offer(bucket, rate, now, request)
  local held = request.slot and request.lane
  local near = now + (right == 'slot' and held == 'late' and EARLY or rate.early)
  local result = {early = 0}
  local function leave()
    if not held then return end
    bucket_leave(bucket, held, bucket.booking)
    result.left = held
    if right ~= 'slot' then result.freed = request.slot + bucket.shift end
  end

  if right == 'plan' then
    leave()
    result.slot = at
    return result
  end
  if at <= near then
    leave()
    bucket_send(bucket, rate, at)
    if right == 'express' or (right == 'slot' and held == 'express') then
      bucket.express = math.max(bucket.express, at) + rate.express
    end
    result.at = at
    bucket_save(bucket, now)
    return result
  end
  if at > limit then
    right = 'none'
    leave()
    return result
  end
  result.slot = at
  if request.override then
    local slot = request.slot and request.slot + bucket.shift or 0
    if slot > near then result.slot = math.min(at, slot) end
    return result
  end
  local lane = right == 'slot' and held or right
  if right == 'slot' then
    local slot = request.slot + bucket.shift
    if held == 'ordinary' and slot > near then at, result.slot = slot, slot end
    -- Its slot has come, but another request took the token: it gets the next one, before all slots still to come.
    if held ~= 'late' and at > slot then
      lane = 'late'
      bucket_leave(bucket, held, bucket.booking)
      if held == 'express' then bucket.express = math.max(bucket.express, at) + rate.express end
    end
  else
    leave()
  end
  result.lane, result.early = lane, lane == 'late' and EARLY or rate.early
  bucket_book(bucket, lane, bucket.booking, at, now)
  redis.call('HSET', bucket.key, 'early', rate.early, 'sent', rate.sent, 'interval', rate.interval, 'shared', rate.shared)
  bucket_save(bucket, now, at)
  return result
end

-- 429: send nothing before a moment. Every booked slot moves with it and keeps its place in the lane.
local function bucket_block(bucket, now, till)
  local base = math.max(now, bucket.blocked)
  if till <= base then return end
  bucket.shift = bucket.shift + till - base
  bucket.blocked = till
  bucket_save(bucket, now)
end

-- End a 429 early: the slots move back by what is left of it. The bucket starts empty, as after any 429.
local function bucket_unblock(bucket, now)
  if bucket.blocked <= now then return end
  bucket.shift = bucket.shift - (bucket.blocked - now)
  bucket.blocked = now
  bucket_save(bucket, now)
end
