-- What happens to a booked slot that is not used: another booking gets it and becomes due sooner.
-- A booking is named `order:<id>`, or `documents:<id>` for the files of an order.
--
-- Accounts that share a bucket give each other their slots. So an order's own account says which due index it is in.
--
-- indexes = {stranded = orders that have no slot before their deadline, by deadline; keys without what follows:
--            order (an id), due and account (the key of an account); fetches = fetches due;
--            urgent = bookings by urgency (see urgency.lua)}
-- reschedules: a list that these functions append booking, account, seq, due (ms) to. A message must be sent for each.
-- It carries the order's next seq, so that the message that waits for the old slot becomes stale.

-- include: bucket

-- The same where accounts share a bucket: as many bookings at the end of a lane may be of an account that is stopped.
local LOOK_SHARED = 200

-- Return the key of the account of a booking, or nil if it is of no order.
local function booking_account(indexes, id)
  local order = redis.call('HMGET', indexes.order .. id, 'provider', 'account')
  return order[1] and order[1] .. '/' .. order[2]
end

-- Return whether an account is stopped or paused, so that its orders cannot use a slot.
local function booking_is_stopped(indexes, account, now)
  local found = redis.call('HMGET', indexes.account .. account, 'state', 'paused_until')
  return (found[1] or 'ok') ~= 'ok' or tonumber(found[2] or 0) > now
end

-- Make a booking due at a moment. Returns false if it is no longer wanted. `lane`: it has a slot there at that moment;
-- nil: it keeps the slot it has. `later`: an order may become due later than it was.
local function booking_reschedule(bucket, now, indexes, booking, at, lane, reschedules, later)
  local kind, id = string.match(booking, '^(%l+):(.*)$')
  local seq, slot, account = 0, at, ''
  at = math.ceil(at)
  if kind == 'order' then
    local key = indexes.order .. id
    local order = redis.call('HMGET', key, 'seq', 'slot', 'due')
    if not order[1] or not order[2] then return false end
    account = booking_account(indexes, id)
    seq = tonumber(order[1]) + 1
    if not later then at = math.min(at, tonumber(order[3] or at)) end
    redis.call('HSET', key, 'due', at, 'seq', seq)
    redis.call('HDEL', key, 'resent', 'resend_at')
    if lane then redis.call('HSET', key, 'slot', slot - bucket.shift, 'shift', 0, 'line', lane) end
    redis.call('ZADD', indexes.due .. account, at, id)
  else
    if not redis.call('ZSCORE', indexes.fetches, id) then return false end
    redis.call('ZADD', indexes.fetches, at, id)
  end
  for _, part in ipairs({booking, account, seq, math.max(now, at - bucket.early)}) do reschedules[#reschedules + 1] = part end
  return true
end

-- Give away a free slot of the ordinary or late lane: to an order that had none before its deadline, otherwise to the
-- last booking of the lane. So no booking becomes later, and the lane has no gaps. If another request took the slot's
-- token, the slot is as late as the next token.
local function booking_give_slot(bucket, now, indexes, lane, slot, reschedules)
  slot = math.max(slot, now, bucket.blocked, bucket.tat - bucket.sent)
  if lane == 'ordinary' then slot = math.max(slot, bucket_behind_late(bucket, bucket.interval, now)) end
  for _ = 1, LOOK do
    local stranded = redis.call('ZREVRANGE', indexes.stranded, 0, 0, 'WITHSCORES')
    if #stranded == 0 or tonumber(stranded[2]) < slot then break end
    local id = stranded[1]
    local key = indexes.order .. id
    redis.call('ZREM', indexes.stranded, id)
    if redis.call('HDEL', key, 'stranded') == 1 then
      redis.call('HSET', key, 'slot', slot - bucket.shift, 'ask', 1)
      bucket_book(bucket, lane, 'order:' .. id, slot, now)
      booking_reschedule(bucket, now, indexes, 'order:' .. id, slot, lane, reschedules)
      return
    end
  end
  for _ = 1, bucket.shared and LOOK_SHARED or LOOK do
    local from = 'ordinary'
    local last, at = bucket_end_of(bucket, from, 'ZREVRANGE')
    if not last and lane == 'late' then
      from = 'late'
      last, at = bucket_end_of(bucket, from, 'ZREVRANGE')
    end
    if not last or at <= slot + LEAD then return end
    bucket_leave(bucket, from, last)
    -- Of an account that is stopped, it would only give the slot away again. It has no slot when it becomes due.
    local account = bucket.shared and booking_account(indexes, string.match(last, ':(.*)$'))
    if account and booking_is_stopped(indexes, account, now) then
      redis.call('HDEL', indexes.order .. string.match(last, ':(.*)$'), 'slot', 'shift', 'line')
    elseif booking_reschedule(bucket, now, indexes, last, slot, lane, reschedules) then
      bucket_book(bucket, lane, last, slot, now)
      return
    end
  end
end

-- A request left the express lane. Let the next one come as soon as the bucket is full: it may use tokens that no other
-- request needs. If one needs them after all, it keeps its slot.
local function booking_advance_express(bucket, now, indexes, reschedules)
  for _ = 1, LOOK do
    local first, slot = bucket_end_of(bucket, 'express', 'ZRANGE')
    if not first then return end
    local at = math.max(now, bucket.blocked, bucket.tat)
    if slot <= at + LEAD or booking_reschedule(bucket, now, indexes, first, at, nil, reschedules) then return end
    bucket_leave(bucket, 'express', first)
  end
end

-- Cancel a booking.
local function booking_cancel(bucket, now, indexes, reschedules)
  if bucket.urgent then redis.call('ZREM', indexes.urgent, bucket.booking) end
  for _, lane in ipairs({'ordinary', 'late', 'express'}) do
    local slot = redis.call('ZSCORE', bucket.lanes[lane], bucket.booking)
    if slot then
      bucket_leave(bucket, lane, bucket.booking)
      if lane == 'express' then
        booking_advance_express(bucket, now, indexes, reschedules)
      else
        booking_give_slot(bucket, now, indexes, lane, tonumber(slot) + bucket.shift, reschedules)
      end
      return
    end
  end
end
