-- What becomes of a booked slot that is not used, and who is woken for it. A booking is `order:<id>`, or `documents:<id>`
-- for the files of an order.
-- places = {order = key of an order without its id, due = due index, fetches = fetches index, stranded = orders that
--           have no slot before their deadline, by that}
-- wakes: a list that grows by booking, seq, due (ms): a message to send for each. It has the order's next seq, which
-- makes the message that waits for the old slot stale: else each of them would be woken again and again.

-- include: bucket

-- Has a booking wait until a moment; false where nobody wants it any more. `slot`: its new slot, nil: as it was.
local function booking_wakes(bucket, now, places, booking, at, slot, wakes)
  local kind, id = string.match(booking, '^(%l+):(.*)$')
  local seq = 0
  at = math.ceil(at)
  if kind == 'order' then
    local key = places.order .. id
    local order = redis.call('HMGET', key, 'seq', 'slot', 'due')
    if not order[1] or not order[2] then return false end
    seq, at = tonumber(order[1]) + 1, math.min(at, tonumber(order[3] or at))
    redis.call('HSET', key, 'due', at, 'seq', seq)
    redis.call('HDEL', key, 'resent', 'resend_at')
    if slot then redis.call('HSET', key, 'slot', slot - bucket.shift, 'shift', 0) end
    redis.call('ZADD', places.due, at, id)
  else
    if not redis.call('ZSCORE', places.fetches, id) then return false end
    redis.call('ZADD', places.fetches, at, id)
  end
  for _, part in ipairs({booking, seq, math.max(now, at - bucket.early)}) do wakes[#wakes + 1] = part end
  return true
end

-- The token that was paid for a slot will not be used. It is counted no more if it was the last one counted.
local function booking_refunds(bucket, now, slot)
  if math.abs(bucket.tat - bucket.interval - bucket.sent - slot) >= 2 then return end
  bucket.tat = bucket.tat - bucket.interval
  bucket_save(bucket, now)
end

-- A slot of the ordinary line is free: an order that had none before its deadline gets it, or the last of the line. So
-- nobody becomes later, and the line stays dense. If its token was paid for, the token goes with the slot. If its token
-- went to somebody else already, the slot is as late as the next token.
local function booking_freed(bucket, now, places, slot, paid, wakes)
  paid = paid and slot > now
  if not paid then slot = math.max(slot, now, bucket.blocked, bucket.tat - bucket.sent) end
  local function give(booking)
    redis.call('ZADD', bucket.lines.ordinary, slot - bucket.shift, booking)
    local had = redis.call('HDEL', bucket.key, 'paid:' .. booking) == 1
    if paid then redis.call('HSET', bucket.key, 'paid:' .. booking, 1) end
    return had
  end
  for _ = 1, LOOK do
    local stranded = redis.call('ZREVRANGE', places.stranded, 0, 0, 'WITHSCORES')
    if #stranded == 0 or tonumber(stranded[2]) < slot then break end
    local id = stranded[1]
    local key = places.order .. id
    redis.call('ZREM', places.stranded, id)
    if redis.call('HDEL', key, 'stranded') == 1 then
      redis.call('HSET', key, 'slot', slot - bucket.shift, 'shift', 0, 'ask', 1)
      give('order:' .. id)
      booking_wakes(bucket, now, places, 'order:' .. id, slot, slot, wakes)
      return
    end
  end
  for _ = 1, LOOK do
    local last, at = bucket_end_of(bucket, 'ordinary', 'ZREVRANGE')
    if not last or at <= slot + LEAD then
      if paid then booking_refunds(bucket, now, slot) end
      return
    end
    if booking_wakes(bucket, now, places, last, slot, slot, wakes) then
      if give(last) then booking_refunds(bucket, now, at) end
      return
    end
    redis.call('ZREM', bucket.lines.ordinary, last)
    if redis.call('HDEL', bucket.key, 'paid:' .. last) == 1 then booking_refunds(bucket, now, at) end
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
    redis.call('ZREM', bucket.lines.express, first)
  end
end

-- A booking is not wanted any more.
local function booking_ends(bucket, now, places, wakes)
  local paid = redis.call('HDEL', bucket.key, 'paid:' .. bucket.booking) == 1
  local slot = redis.call('ZSCORE', bucket.lines.ordinary, bucket.booking)
  if slot then
    redis.call('ZREM', bucket.lines.ordinary, bucket.booking)
    booking_freed(bucket, now, places, tonumber(slot) + bucket.shift, paid, wakes)
  elseif redis.call('ZREM', bucket.lines.express, bucket.booking) == 1 then
    booking_invites(bucket, now, places, wakes)
  end
end
