-- Which booking gets the next slot: that of the most urgent order.
--
-- Of orders that wait for a token, the one with the soonest event is polled first. Yet age counts too, so that none
-- waits forever. Each order has a rank, and the least is the most urgent:
--
--   rank     = when it began to wait + patience
--   patience = 6 h * t / (t + 24 h), where t is the time from then to its event, or back to it; 6 h without an event
--
--   event in  30 min  2 h     6 h      1 day  1 week      unknown
--   patience  7 min   28 min  1 h 12   3 h    5 h 15 min  6 h
--
-- So no order is overtaken by one that began to wait 6 h after it.
--
-- Bookings are made in order of arrival. An index by rank has those of orders with an event. Whenever a token is taken,
-- or an order with an event books, the least rank gets the next slot, and the order that had it gets the slot of the
-- other one. This is the only way in which a slot becomes later, and it is never later than the order's deadline.
--
-- Example: one request a second. 500 orders without an event have the slots 1 to 500, and two with an event book 501
-- and 502: A in 3 h, then B in 2 h. A takes slot 1, and the order that had it gets 501. B takes slot 1 from A, which
-- gets 502. At 1, B is polled, and A gets slot 2. The two orders that were moved back come last, at 501 and 502.
--
-- Without orders that have an event, none of this costs a command.

-- include: bookings

-- The longest patience, and the time to the event at which patience is half of it (ms).
local LONGEST, HALF = 21600000, 86400000
-- An order without an event that was moved back moves forward again once it has waited so much longer (ms) than the
-- order that has the next slot. Without that, one urgent order would move all others, one by one.
local MOVED_BACK = 60000
-- A slot is taken only if it is so far ahead (ms) that the message of its new owner can come in time, and so much
-- sooner (ms) than the slot it had that the two messages are worth it.
local NOTICE, GAIN = 200, 1000

-- Return the index by rank: {add = , promote = }. It is made only if an order with an event waits. `rate` is needed to
-- promote.
local function urgency_index(bucket, rate, now, indexes, reschedules)
  local index = {}

  local function rank_of(since, event)
    if not event then return since + LONGEST end
    local left = math.abs(event - since)
    return since + LONGEST * left / (left + HALF)
  end

  -- Return an order that waits for its slot; nil if the booking is of none, or if it is due before its slot.
  local function read(booking)
    local id = string.match(booking, '^order:(.*)$')
    local order = id and redis.call('HMGET', indexes.order .. id, 'slot', 'shift', 'line', 'status', 'deadline',
      'since', 'last_poll', 'event', 'express', 'override')
    if not order or not order[1] then return nil end
    local lane = order[3] or 'ordinary'
    if order[10] or (order[9] and lane ~= 'express') then return nil end
    local slot = tonumber(order[1]) - tonumber(order[2] or 0) + bucket.shift
    local open = order[4] == 'pending' or order[4] == 'partial'
    -- A release that knows no urgency booked it, or left `since` of an earlier attempt: its age is unknown.
    local since = tonumber(order[6] or 0)
    if since == 0 or since < tonumber(order[7] or 0) then since = now end
    return {
      booking = booking, id = id, lane = lane, slot = slot, deadline = open and tonumber(order[5]) or math.huge,
      event = open and tonumber(order[8]) or nil, since = since,
    }
  end

  -- Add the booking of an order with an event to the index.
  function index.add(since, event)
    redis.call('ZADD', indexes.urgent, rank_of(since, event), bucket.booking)
    redis.call('PEXPIRE', indexes.urgent, math.max(1, redis.call('PTTL', bucket.key)))
    if not bucket.urgent then redis.call('HSET', bucket.key, 'urgent', 1) end
    bucket.urgent = true
  end

  -- Give the next slot to the most urgent booking.
  -- Returns {slot =, lane =} if the request's own booking was moved: its order is not written and gets no message.
  function index.promote()
    local own
    local behind = bucket_behind_late(bucket, rate.interval, now)

    -- An ordinary slot is worth no more than the end of the late lane.
    local function moment(lane, slot) return lane == 'ordinary' and math.max(slot, behind) or slot end

    local function place(order, lane, slot)
      if lane ~= order.lane then redis.call('ZREM', bucket.lanes[order.lane], order.booking) end
      bucket_book(bucket, lane, order.booking, slot, now)
      if order.booking == bucket.booking then
        own = {slot = slot, lane = lane}
      else
        booking_reschedule(bucket, now, indexes, order.booking, slot, lane, reschedules, true)
      end
    end

    -- Take the next slot of a less urgent order. Returns false if the booking cannot become sooner, whatever its rank.
    local function take(order, rank)
      for _, lane in ipairs({'late', 'ordinary'}) do
        local found = redis.call('ZRANGEBYSCORE', bucket.lanes[lane], now + NOTICE - bucket.shift, '+inf', 'WITHSCORES',
          'LIMIT', 0, LOOK)
        for i = 1, #found, 2 do
          local slot = tonumber(found[i + 1]) + bucket.shift
          if moment(order.lane, order.slot) - moment(lane, slot) < GAIN then return false end
          local other = read(found[i])
          if other then
            local its_rank = rank_of(other.since, other.event)
            -- The next ones are looked at too only if the order cannot wait for its turn.
            if its_rank <= rank and order.slot <= order.deadline then return true end
            local back_lane, back = order.lane, order.slot
            if back_lane == 'express' then
              back_lane, back = 'ordinary', bucket_end_of_ordinary(bucket, rate, now, math.max(now, bucket.blocked))
            end
            if its_rank > rank and moment(back_lane, back) <= other.deadline then
              redis.call('ZREM', indexes.urgent, order.booking)
              redis.call('ZADD', indexes.urgent, its_rank + (other.event and 0 or MOVED_BACK), other.booking)
              place(other, back_lane, back)
              place(order, lane, slot)
              if order.lane == 'express' then booking_advance_express(bucket, now, indexes, reschedules) end
              return true
            end
          end
        end
      end
      return true
    end

    for _ = 1, LOOK do
      local first = redis.call('ZRANGE', indexes.urgent, 0, 0, 'WITHSCORES')
      if #first == 0 then
        redis.call('HDEL', bucket.key, 'urgent')
        bucket.urgent = false
        return own
      end
      local order = read(first[1])
      -- An order of a stopped account could not use the slot.
      local account = order and bucket.shared and booking_account(indexes, order.id)
      local stopped = account and booking_is_stopped(indexes, account, now)
      if order and not stopped and take(order, tonumber(first[2])) then return own end
      redis.call('ZREM', indexes.urgent, first[1])
    end
    return own
  end

  return index
end
