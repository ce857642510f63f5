-- An account's tokens: GCRA on what is sent, with reservation. All times in milliseconds.
--
-- The hash of a bucket:
--   tat      when the bucket would be full again minus its depth: GCRA's theoretical arrival time of what was SENT
--   next     the next free slot; express the same of the lane for pushed orders, which overtake the others
--   blocked  nothing is sent before this (429)
--   shift    by how much all booked slots have been moved in total (429)
--
-- A caller without a slot is either let through at once or given the next free slot of its lane; when it comes
-- back at its slot it goes, without competing again. What has been sent is counted strictly, so neither slots that
-- bunch because their workers were late nor pushed orders can ever add up to more than the rate: who finds its slot
-- taken books another.
--
-- rate = {interval = ms per token, express = ms per slot of the express lane,
--         sent = tolerance of what is sent, booked = tolerance of what is let through or booked}

-- Who has to wait, waits at least this long (ms): a slot sooner than a message can come back would be missed.
local LEAD = 100

local function bucket_load(key)
  local values = redis.call('HMGET', key, 'tat', 'next', 'express', 'blocked', 'shift')
  return {
    key = key, tat = tonumber(values[1]) or 0, next = tonumber(values[2]) or 0,
    express = tonumber(values[3]) or 0, blocked = tonumber(values[4]) or 0, shift = tonumber(values[5]) or 0,
  }
end

local function bucket_save(bucket, now)
  redis.call('HSET', bucket.key, 'tat', bucket.tat, 'next', bucket.next, 'express', bucket.express,
    'blocked', bucket.blocked, 'shift', bucket.shift)
  local last = math.max(bucket.tat, bucket.next, bucket.express, bucket.blocked, now)
  redis.call('PEXPIRE', bucket.key, math.ceil(last - now) + 86400000)
end

local function bucket_send(bucket, rate, now)
  bucket.tat = math.max(bucket.tat, now) + rate.interval
  bucket_save(bucket, now)
end

-- Ask for a token: slot and shift as booked before, or nil. Returns nil to go, else the slot to come back at
-- and the shift to remember beside it.
local function bucket_take(bucket, rate, now, slot, shift, express)
  if slot then
    slot = slot + bucket.shift - shift
    if slot > now then return slot, bucket.shift end
    if now >= bucket.blocked and now >= bucket.tat - rate.sent then
      bucket_send(bucket, rate, now)
      return nil
    end
  end
  local soonest = math.max(now, bucket.blocked, bucket.tat - rate.sent)
  local lane, step = 'next', rate.interval
  local free = math.max(soonest, bucket.next - rate.booked)
  if express and math.max(soonest, bucket.express) < free then
    lane, step, free = 'express', rate.express, math.max(soonest, bucket.express)
  end
  if free > now then free = math.max(free, now + LEAD) end
  bucket[lane] = math.max(bucket[lane], free) + step
  if free <= now then
    bucket_send(bucket, rate, now)
    return nil
  end
  bucket_save(bucket, now)
  return math.ceil(free), bucket.shift
end

-- 429: nothing before `till`, and every booked slot moves with it, keeping its place in the queue.
local function bucket_block(bucket, rate, now, till)
  local base = math.max(now, bucket.blocked)
  if till <= base then return end
  bucket.shift = bucket.shift + till - base
  bucket.next = math.max(bucket.next + till - base, till + rate.booked)
  bucket.express = math.max(bucket.express + till - base, till)
  bucket.tat = math.max(bucket.tat, till + rate.sent)
  bucket.blocked = till
  bucket_save(bucket, now)
end

local function bucket_rate(arguments, first)
  return {
    interval = tonumber(arguments[first]), express = tonumber(arguments[first + 1]),
    sent = tonumber(arguments[first + 2]), booked = tonumber(arguments[first + 3]),
  }
end
