-- An account's tokens: GCRA on what is sent, with reservation. All times in milliseconds.
--
-- The hash of a bucket:
--   tat      GCRA's theoretical arrival time: when the bucket is full again, counting what was SENT and nothing else
--   express  when the express share allows its next request
--   blocked  nothing is sent before this (429)
--   shift    by how much all slots booked at that moment have been moved in total (429)
--   late     the last slot of the late line, minus shift
--   early, sent, interval    of the rate (see below), as of the last booking: for those who know no rate
-- Three sorted sets, the lines, hold the requests that wait: booking -> slot minus shift. A 429 moves every slot by adding
-- to `shift`, and ending it by hand moves them back: one number, however many wait.
--   ordinary  each slot an interval behind the one before
--   express   those who ask sooner, one interval of the express share apart
--   late      those who missed their slot: they get the next tokens, one after the other. Ordinary requests come behind the
--             last of them, express ones may overtake
--
-- rate = {interval = ms per token, express = ms per token of the express share, sent = tolerance of what is sent,
--         booked = tolerance of what goes at once or is booked, early}
--
-- An example: 10 requests a second, burst 5. interval 100, the burst is worth 400, sent 300, booked 50. Twenty orders
-- come at 0 and nothing was sent before. GCRA lets one go while tat - booked <= now: the first (tat 0 -> 100), no
-- second (100 - 50 > 0). The second books slot 50, the third 150, ... each 100 behind the last one booked. At 50 the
-- second comes back; 100 - 300 <= 50, so it goes, even if it comes up to 250 late: that is what `booked` keeps free.
--   * The sixth (slot 450) is cancelled at 200: the LAST of the line (slot 1,850) takes its slot, so nobody becomes
--     later, and the next new order books 1,850 instead of 1,950.
--   * A 429 at 300 with `Retry-After: 60`: blocked = 60,300, shift = 60,000. Slot 450 is 60,450 now. Ended by hand at
--     10,300: shift = 10,000, and slot 450 is 10,450.
--   * Workers stand still from 100 to 1,100, when those of the slots 150 ... 1,050 come all at once: tat is 200, long past,
--     so four go (tat 1,200 ... 1,500; at 1,500 - 300 = 1,200 > 1,100 the fifth may not). It gets slot 1,200 in the late
--     line, the next ones 1,300, 1,400, ... The order at slot 1,150 joins them at the end, as it comes.
-- With burst 1, sent = booked = 0 and whoever came late would push all the others. So a request comes back EARLY before
-- its slot, is granted for its slot, and its worker waits the rest: `tat` counts the slot.

-- Who has to wait, waits at least this long (ms): a slot sooner than a message can come back would be missed.
local LEAD = 100
-- Where the burst does not absorb how late messages come, and in the late line, they come this much before their slot (ms).
local EARLY = 100
-- A booking that was not used for so long after its slot (ms) is forgotten: nobody knows of it any more.
local STALE = 3600000
-- Entries of a line that are looked at for one that is still wanted.
local LOOK = 10

local function bucket_rate(arguments, first)
  local sent, booked = tonumber(arguments[first + 2]), tonumber(arguments[first + 3])
  return {
    interval = tonumber(arguments[first]), express = tonumber(arguments[first + 1]), sent = sent, booked = booked,
    early = sent - booked < EARLY and EARLY or 0,
  }
end

-- lines: the keys of the three lines; booking: who asks. Both may be left out where nobody asks.
local function bucket_load(key, lines, booking)
  local values = redis.call('HMGET', key, 'tat', 'express', 'blocked', 'shift', 'late', 'early', 'sent', 'interval')
  local shift = tonumber(values[4]) or 0
  return {
    key = key, lines = lines, booking = booking, tat = tonumber(values[1]) or 0, express = tonumber(values[2]) or 0,
    blocked = tonumber(values[3]) or 0, shift = shift, late = values[5] and tonumber(values[5]) + shift or 0,
    early = tonumber(values[6]) or 0, sent = tonumber(values[7]) or 0, interval = tonumber(values[8]) or 0,
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
    for _, line in pairs(bucket.lines) do redis.call('PEXPIRE', line, kept) end
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

-- Gives a booking a slot in a line.
local function bucket_book(bucket, line, booking, slot, now)
  redis.call('ZADD', bucket.lines[line], slot - bucket.shift, booking)
  redis.call('ZREMRANGEBYSCORE', bucket.lines[line], '-inf', now - STALE - bucket.shift)
  if line == 'late' and slot > bucket.late then
    bucket.late = slot
    redis.call('HSET', bucket.key, 'late', slot - bucket.shift)
  end
end

-- Takes a booking off its line.
local function bucket_leave(bucket, line, booking)
  redis.call('ZREM', bucket.lines[line], booking)
  if line ~= 'late' then return end
  local _, last = bucket_end_of(bucket, 'late', 'ZREVRANGE')
  bucket.late = last or 0
  if last then redis.call('HSET', bucket.key, 'late', last - bucket.shift) else redis.call('HDEL', bucket.key, 'late') end
end

-- The first moment behind those in the late line whose slots are still to come.
local function bucket_behind_late(bucket, interval, now)
  return bucket.late > now and bucket.late + interval or 0
end

-- When a request could be sent, and by which right: 'slot' (its own booking), 'ordinary' | 'express' (the next free
-- token of that line), 'idle' (nobody else wants it), 'plan' (come back then, as one without a booking).
-- request = {slot = its slot minus shift (nil: none), line = in which line that is, express = it may use the express
--            share, override = in spite of a 429, plan = when it was due before it was asked for sooner (nil: at once)}
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
    -- Who comes after its slot stands behind those whose turn is still to come. A late one is let through before that if
    -- its token is there, and where an express request took that, it keeps its place.
    if request.line == 'ordinary' and slot <= near then own = math.max(own, behind) end
    if own <= (request.line == 'late' and now + EARLY or near) then return own, 'slot' end
    if request.line == 'late' and slot < now then own = math.max(own, behind) end
    offer(own, 'slot')
  end
  if (request.plan or 0) > now then
    offer(request.plan, 'plan')
  elseif not slot or request.line == 'express' then
    local _, last = bucket_end_of(bucket, 'ordinary', 'ZREVRANGE')
    local free = math.max(now, blocked, bucket.tat - rate.booked, last and last + rate.interval or 0, behind)
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

-- Takes a token, or books the best that there is, in place of what the request has booked by now.
-- Returns {at = when it may be sent} to go, or {slot = the slot to come back for, early = how long before it, line =
-- where it is booked, nil: it is not}, or {} where nothing is to be had before `limit`. `left`: the line that it has
-- left, and `freed` the slot that it had there, for somebody else.
local function bucket_take(bucket, rate, now, request, limit)
  local at, right = bucket_offer(bucket, rate, now, request)
  local held = request.slot and request.line
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
  local line = right == 'slot' and held or right
  if right == 'slot' then
    local slot = request.slot + bucket.shift
    if held == 'ordinary' and slot > near then at, result.slot = slot, slot end
    -- Its turn has come and its token went to somebody else: it gets the next one, before all whose turn has not come.
    if held ~= 'late' and at > slot then
      line = 'late'
      bucket_leave(bucket, held, bucket.booking)
      if held == 'express' then bucket.express = math.max(bucket.express, at) + rate.express end
    end
  else
    leave()
  end
  result.line, result.early = line, line == 'late' and EARLY or rate.early
  bucket_book(bucket, line, bucket.booking, at, now)
  redis.call('HSET', bucket.key, 'early', rate.early, 'sent', rate.sent, 'interval', rate.interval)
  bucket_save(bucket, now, at)
  return result
end

-- 429: nothing before `till`, and every booked slot moves with it, keeping its place in the line.
local function bucket_block(bucket, _, now, till)
  local base = math.max(now, bucket.blocked)
  if till <= base then return end
  bucket.shift = bucket.shift + till - base
  bucket.blocked = till
  bucket_save(bucket, now)
end

-- Ends a 429 by hand: the slots move back by what is left of it. The bucket starts empty, as after any 429.
local function bucket_unblock(bucket, now)
  if bucket.blocked <= now then return end
  bucket.shift = bucket.shift - (bucket.blocked - now)
  bucket.blocked = now
  bucket_save(bucket, now)
end
