-- An account's tokens: GCRA on what is sent, with reservation. All times in milliseconds.
--
-- The hash of a bucket:
--   tat            GCRA's theoretical arrival time: when the bucket is full again, counting what was SENT or paid for
--   express        when the express share allows its next request
--   blocked        nothing is sent before this (429)
--   shift          by how much all slots booked at that moment have been moved in total (429)
--   interval, early, sent    of the rate (see below), as of the last booking: for those who know no rate
--   paid:<booking> there where the token of a booking has been counted in `tat` already
-- Two sorted sets hold the requests that wait, `ordinary` and `express`: booking -> slot minus shift. A 429 moves every
-- slot by adding to `shift`, and ending it by hand moves them back: one number, however many wait.
--
-- rate = {interval = ms per token, express = ms per token of the express share, sent = tolerance of what is sent,
--         booked = tolerance of what goes at once or is booked, early, slack = what `sent` leaves of the burst}
--
-- An example: 10 requests a second, burst 5. interval 100, the burst is worth 400, sent 300, booked 50. Twenty orders
-- come at 0 and nothing was sent before. GCRA lets one go while tat - booked <= now: the first (tat 0 -> 100), no
-- second (100 - 50 > 0). The second books slot 50, the third 150, ... each 100 behind the last one booked. At 50 the
-- second comes back; 100 - 300 <= 50, so it goes, even if it comes up to 250 late: that is what `booked` keeps free.
--   * The sixth (slot 450) is cancelled at 200: the LAST of the line (slot 1,850) takes its slot, so nobody becomes
--     later, and the next new order books 1,850 instead of 1,950.
--   * A 429 at 300 with `Retry-After: 60`: blocked = 60,300, shift = 60,000. Slot 450 is 60,450 now. Ended by hand at
--     10,300: shift = 10,000, and slot 450 is 10,450.
--   * Somebody comes 600 late, at 650 instead of 50, with ten others: those for whom `tat - sent` is past go, the
--     next gets the token at tat - sent, paid, which is counted at once, the one after it the token 100 later.
--     A paid token that is not used, as its order was cancelled, goes with the slot to the last of the line; the token
--     that the last one had is counted no more. A 429 ends all of them: the late ones take theirs anew.
-- With burst 1, sent = booked = 0 and whoever came late would push all the others. So a request comes back EARLY before
-- its slot, is granted for its slot, and its worker waits the rest: `tat` counts the slot.

-- Who has to wait, waits at least this long (ms): a slot sooner than a message can come back would be missed.
local LEAD = 100
-- Where the burst does not absorb how late messages come, and for a token that is paid for, they come this much before
-- their slot (ms).
local EARLY = 100
-- Entries of a line that are looked at for one that is still wanted.
local LOOK = 10

local function bucket_rate(arguments, first)
  local sent, booked = tonumber(arguments[first + 2]), tonumber(arguments[first + 3])
  return {
    interval = tonumber(arguments[first]), express = tonumber(arguments[first + 1]), sent = sent, booked = booked,
    early = sent - booked < EARLY and EARLY or 0, slack = math.min(sent / 3, 250),
  }
end

-- lines: the keys of the two sorted sets; booking: who asks. Both may be left out where nobody asks.
local function bucket_load(key, lines, booking)
  local values = redis.call('HMGET', key, 'tat', 'express', 'blocked', 'shift', 'early', 'sent', 'interval',
    'paid:' .. (booking or ''))
  return {
    key = key, lines = lines, booking = booking, tat = tonumber(values[1]) or 0, express = tonumber(values[2]) or 0,
    blocked = tonumber(values[3]) or 0, shift = tonumber(values[4]) or 0, early = tonumber(values[5]) or 0,
    sent = tonumber(values[6]) or 0, interval = tonumber(values[7]) or 0, paid = values[8] and true or false,
  }
end

-- Forgotten a day after all that it knows of: `slot` is the last slot that was booked just now, if any was.
local function bucket_save(bucket, now, slot)
  redis.call('HSET', bucket.key, 'tat', bucket.tat, 'express', bucket.express, 'blocked', bucket.blocked,
    'shift', bucket.shift)
  local last = math.max(bucket.tat, bucket.express, bucket.blocked, now, slot or 0)
  local kept = math.ceil(last - now) + 86400000
  redis.call('PEXPIRE', bucket.key, kept)
  if slot then
    redis.call('PEXPIRE', bucket.lines.ordinary, kept)
    redis.call('PEXPIRE', bucket.lines.express, kept)
  end
end

-- Counts a request that is sent at a moment, and holds back what a 429 has not used up.
local function bucket_send(bucket, rate, at)
  local after = bucket.blocked <= at and bucket.blocked + rate.sent or 0
  bucket.tat = math.max(bucket.tat, after, at) + rate.interval
end

-- The first or last of a line and its slot, or nil.
local function bucket_end_of(bucket, line, command)
  local found = redis.call(command, bucket.lines[line], 0, 0, 'WITHSCORES')
  if #found == 0 then return nil end
  return found[1], tonumber(found[2]) + bucket.shift
end

-- When a request could be sent, and by which right: 'paid' | 'slot' (its own booking), 'ordinary' | 'express' (the
-- next free token of that line), 'idle' (nobody else wants it), 'plan' (come back then, as one without a booking).
-- request = {slot = its slot minus shift (nil: none), line = in which line that is, express = it may use the express
--            share, override = in spite of a 429, plan = when it was due before it was asked for sooner (nil: at once)}
local function bucket_offer(bucket, rate, now, request)
  local blocked = request.override and 0 or bucket.blocked
  local soonest = math.max(now, blocked, bucket.tat - rate.sent)
  local near = now + rate.early
  local slot = request.slot and request.slot + bucket.shift
  if bucket.paid then
    if slot + rate.slack >= now then return math.max(now, slot), 'paid' end
    -- Late once more. Where no other token was counted since, the provider has not seen this one either.
    if math.abs(bucket.tat - rate.interval - rate.sent - slot) < 2 then
      bucket.tat = bucket.tat - rate.interval
      soonest = math.max(now, blocked, bucket.tat - rate.sent)
    end
  end

  local at, right = math.huge, 'none'
  local function offer(moment, by)
    if moment < at then at, right = moment, by end
  end
  if slot then offer(math.max(slot, soonest), 'slot') end
  if at <= near then return at, right end
  if (request.plan or 0) > now then
    offer(request.plan, 'plan')
  elseif not slot or request.line == 'express' then
    local _, last = bucket_end_of(bucket, 'ordinary', 'ZREVRANGE')
    local free = math.max(now, blocked, bucket.tat - rate.booked, last and last + rate.interval or 0)
    offer(free > near and math.max(free, now + LEAD) or free, 'ordinary')
    if at <= near then return at, right end
  end
  if request.express then
    local first = bucket_end_of(bucket, 'express', 'ZRANGE')
    local alone = not first or first == bucket.booking
    if alone and math.max(now, blocked, bucket.tat) <= near then
      local waiting = bucket_end_of(bucket, 'ordinary', 'ZRANGE')
      if not waiting or waiting == bucket.booking or request.override then
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

-- Takes a token, or books the best that there is, in place of what the request has booked by now.
-- Returns {at = when it may be sent} to go, or {slot = the slot to come back for, early = how long before it, line =
-- where it is booked, nil: it is not}, or {} where nothing is to be had before `limit`. `left`: the line that it has left, and `freed` the slot that it had
-- there, for somebody else (`freed_paid`: with its token).
local function bucket_take(bucket, rate, now, request, limit)
  local at, right = bucket_offer(bucket, rate, now, request)
  local near = now + (right == 'paid' and EARLY or rate.early)
  local held = request.slot and request.line
  local result = {early = 0}
  local function leave()
    if not held then return end
    redis.call('ZREM', bucket.lines[held], bucket.booking)
    local paid = redis.call('HDEL', bucket.key, 'paid:' .. bucket.booking) == 1
    result.left = held
    if right ~= 'slot' and right ~= 'paid' then
      result.freed, result.freed_paid = request.slot + bucket.shift, paid
    end
  end

  if right == 'plan' then
    leave()
    result.slot = at
    return result
  end
  if at <= near then
    leave()
    if right ~= 'paid' then bucket_send(bucket, rate, at) end
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
  if request.override then return result end
  result.early = rate.early
  if right == 'paid' or (right == 'slot' and at <= request.slot + bucket.shift) then
    result.line = held
    if right == 'paid' then result.early = EARLY end
    return result
  end
  if right == 'slot' then
    -- It came too late, and its token went to somebody else: the next one is counted now.
    bucket_send(bucket, rate, at)
    redis.call('HSET', bucket.key, 'paid:' .. bucket.booking, 1)
    right, result.early = held, EARLY
  else
    leave()
  end
  redis.call('ZADD', bucket.lines[right], at - bucket.shift, bucket.booking)
  redis.call('HSET', bucket.key, 'early', rate.early, 'sent', rate.sent, 'interval', rate.interval)
  result.line = right
  bucket_save(bucket, now, at)
  return result
end

-- 429: nothing before `till`, and every booked slot moves with it, keeping its place in the line. Tokens that were paid
-- for and not used are counted no more: else each 429 would cost as many as there are late requests. What was sent by now
-- cannot have taken `tat` further than one request behind a used-up burst.
local function bucket_block(bucket, rate, now, till)
  local base = math.max(now, bucket.blocked)
  if till <= base then return end
  bucket.shift = bucket.shift + till - base
  bucket.blocked = till
  bucket.tat = math.min(bucket.tat, now + EARLY + rate.sent + rate.interval)
  for _, field in ipairs(redis.call('HKEYS', bucket.key)) do
    if string.sub(field, 1, 5) == 'paid:' then redis.call('HDEL', bucket.key, field) end
  end
  bucket_save(bucket, now)
end

-- Ends a 429 by hand: the slots move back by what is left of it. The bucket starts empty, as after any 429.
local function bucket_unblock(bucket, now)
  if bucket.blocked <= now then return end
  bucket.shift = bucket.shift - (bucket.blocked - now)
  bucket.blocked = now
  bucket_save(bucket, now)
end
