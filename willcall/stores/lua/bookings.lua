-- What becomes of a booked slot that is not used, and who is woken for it. A booking is `order:<id>`, or `documents:<id>`
-- for the files of an order.
-- places = {order = key of an order without its id, due = due index, fetches = fetches index, stranded = orders that
--           have no slot before their deadline, by that}
-- wakes: a list that grows by booking, seq, due (ms): a message to send for each. It has the order's next seq, which
-- makes the message that waits for the old slot stale: else each of them would be woken again and again.

-- include: bucket

-- Has a booking wait until a moment; false where nobody wants it any more. `line`: it has a slot there at that moment,
-- nil: it keeps what it has.
local function booking_wakes(bucket, now, places, booking, at, line, wakes)
  local kind, id = string.match(booking, '^(%l+):(.*)$')
  local seq, slot = 0, at
  at = math.ceil(at)
  if kind == 'order' then
    local key = places.order .. id
    local order = redis.call('HMGET', key, 'seq', 'slot', 'due')
    if not order[1] or not order[2] then return false end
    seq, at = tonumber(order[1]) + 1, math.min(at, tonumber(order[3] or at))
    redis.call('HSET', key, 'due', at, 'seq', seq)
    redis.call('HDEL', key, 'resent', 'resend_at')
    if line then redis.call('HSET', key, 'slot', slot - bucket.shift, 'shift', 0, 'line', line) end
    redis.call('ZADD', places.due, at, id)
  else
    if not redis.call('ZSCORE', places.fetches, id) then return false end
    redis.call('ZADD', places.fetches, at, id)
  end
  for _, part in ipairs({booking, seq, math.max(now, at - bucket.early)}) do wakes[#wakes + 1] = part end
  return true
end

-- A slot of the ordinary or the late line is free: an order that had none before its deadline gets it, or the last of the
-- line. So nobody becomes later, and the line stays dense. Where its token went to somebody else already, the slot is as
-- late as the next token.
local function booking_freed(bucket, now, places, line, slot, wakes)
  slot = math.max(slot, now, bucket.blocked, bucket.tat - bucket.sent)
  if line == 'ordinary' then slot = math.max(slot, bucket_behind_late(bucket, bucket.interval, now)) end
  for _ = 1, LOOK do
    local stranded = redis.call('ZREVRANGE', places.stranded, 0, 0, 'WITHSCORES')
    if #stranded == 0 or tonumber(stranded[2]) < slot then break end
    local id = stranded[1]
    local key = places.order .. id
    redis.call('ZREM', places.stranded, id)
    if redis.call('HDEL', key, 'stranded') == 1 then
      redis.call('HSET', key, 'slot', slot - bucket.shift, 'ask', 1)
      bucket_book(bucket, line, 'order:' .. id, slot, now)
      booking_wakes(bucket, now, places, 'order:' .. id, slot, line, wakes)
      return
    end
  end
  for _ = 1, LOOK do
    local from = 'ordinary'
    local last, at = bucket_end_of(bucket, from, 'ZREVRANGE')
    if not last and line == 'late' then
      from = 'late'
      last, at = bucket_end_of(bucket, from, 'ZREVRANGE')
    end
    if not last or at <= slot + LEAD then return end
    bucket_leave(bucket, from, last)
    if booking_wakes(bucket, now, places, last, slot, line, wakes) then
      bucket_book(bucket, line, last, slot, now)
      return
    end
  end
end

-- An order that used the express share has gone or left: the next one may come as soon as the bucket is full, for
-- what nobody else needs is not kept from it. If it finds that somebody does, it keeps its slot.
local function booking_invites(bucket, now, places, wakes)
  for _ = 1, LOOK do
    local first, slot = bucket_end_of(bucket, 'express', 'ZRANGE')
    if not first then return end
    local at = math.max(now, bucket.blocked, bucket.tat)
    if slot <= at + LEAD or booking_wakes(bucket, now, places, first, at, nil, wakes) then return end
    bucket_leave(bucket, 'express', first)
  end
end

-- A booking is not wanted any more.
local function booking_ends(bucket, now, places, wakes)
  for _, line in ipairs({'ordinary', 'late', 'express'}) do
    local slot = redis.call('ZSCORE', bucket.lines[line], bucket.booking)
    if slot then
      bucket_leave(bucket, line, bucket.booking)
      if line == 'express' then
        booking_invites(bucket, now, places, wakes)
      else
        booking_freed(bucket, now, places, line, tonumber(slot) + bucket.shift, wakes)
      end
      return
    end
  end
end
