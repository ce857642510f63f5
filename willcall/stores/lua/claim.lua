-- Permission for one attempt: checks everything that must hold at one instant, and takes a token.
--
-- An example: minimum 1 s, rate 1 in 5 s with a burst of 1, twelve orders at 0 with a deadline at 12 s. The first goes
-- at 0, the next two book 5 and 10. The others' slots would be 15, 20, ...: no slot beyond the deadline is given, so
-- they are due at 12, not to be asked about (`ask` 0), and expire then. If the one at 5 is cancelled at 3, one of those
-- gets its slot. The first, answered at 0 and due again at 12 as its last attempt, claims at 12: the token is there
-- only at 15, so it expires. Where the token is there, it is asked about once more up to 2 s after the deadline (or
-- the minimum, where that is longer), as its message may come late; never later.
--
-- KEYS  1 order  2 spec  3 tickets  4 due index  5 held index  6 token bucket  7 account
--       8 attention indexes (see attention.lua)  9-11 bookings: ordinary, express, late (see bucket.lua)
--       12 stranded index  13 order (its key without the id)  14 fetches index  15 progress of the provider's queue
-- ARGV  1 id  2 seq of the message  3 claim id  4 lease (ms)  5-8 rate (see bucket.lua)
--       9 minimum between two attempts (ms)
-- Returns {verdict, now, ...}:
--   'gone' | 'stale' | 'closed'   nothing to do, ever, for this message
--   'busy'                        another worker is asking right now (a repeated claim of one's own is granted again)
--   'held'                        the account is parked or paused; the order waits in the held index
--   'wait', now, until, booked, wakes      come back then; booked 1 where a token is booked for it just now, else 0
--   'expire', now, order, spec, tickets, wakes    the deadline is here and no attempt is allowed any more
--   'go', now, order, spec, tickets, account, at, wakes    ask at that moment (ms), not before; lease and claim id are
--                                 set, the token is taken
--   wakes: see bookings.lua

-- include: clock
-- include: bookings
-- include: attention

-- How late the last attempt, at the deadline, may be (ms), where the minimum is shorter; `LAST_ATTEMPT` in orders.py.
local LAST = 2000

local now = milliseconds()
local order = redis.call('HGETALL', KEYS[1])
if #order == 0 then return {'gone', now} end
local fields = {}
for i = 1, #order, 2 do fields[order[i]] = order[i + 1] end
if fields['seq'] ~= ARGV[2] then return {'stale', now} end
local status = fields['status']
local late = status == 'fulfilled' or status == 'expired'
local ask = fields['ask'] == '1'
if status == 'failed' or status == 'cancelled' or (late and not ask) then return {'closed', now} end

local function answer(verdict, ...)
  return {verdict, now, order, redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or '', ...}
end

if tonumber(fields['lease'] or 0) > now then
  if fields['claim'] == ARGV[3] then
    return answer('go', 'marked', string.format('%.3f', math.max(now, tonumber(fields['at'] or 0))), {})
  end
  return {'busy', now}
end
local rate = bucket_rate(ARGV, 5)
local slot = tonumber(fields['slot'])
local due = tonumber(fields['due'] or 0)
if due > now + (slot and EARLY or 0) then return {'wait', now, due - (slot and rate.early or 0), 0, {}} end

local deadline = tonumber(fields['deadline'])
if not ask or (not late and now > deadline + math.max(LAST, tonumber(ARGV[9]))) then return answer('expire', {}) end

-- How far the workers have come through the provider's queue, for `revive`; those at a slot overtake the others.
if not slot then redis.call('HSET', KEYS[15], 'reached', due, 'reached_at', now) end
local account = redis.call('HMGET', KEYS[7], 'state', 'probe_at', 'paused_until', 'failures', 'refused', 'throttled_since',
  'unreadable', 'probe')
local state = account[1] or 'ok'
local probe = false
if tonumber(account[3] or 0) > now then
  state = 'paused'
elseif state ~= 'ok' then
  -- One that was itself refused, or unreadable, says nothing of the account: it probes where it was chosen to.
  local troubled = fields['refusals'] or fields['attention'] == 'malformed'
  probe = tonumber(account[2] or 0) <= now and (not troubled or account[8] == ARGV[1])
end
local booking = 'order:' .. ARGV[1]
local bucket = bucket_load(KEYS[6], {ordinary = KEYS[9], express = KEYS[10], late = KEYS[11]}, booking)
if state ~= 'ok' and not probe then
  if not late and deadline <= now then return answer('expire', {}) end
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('ZADD', KEYS[5], late and '+inf' or deadline, ARGV[1])
  redis.call('HDEL', KEYS[1], 'due', 'slot', 'shift', 'line', 'plan')
  if slot then bucket_leave(bucket, fields['line'] or 'ordinary', booking) end
  if state == 'unauthorized' then attention_is(KEYS[1], KEYS[8], ARGV[1], state, now) end
  return {'held', now}
end

local request = {
  slot = slot and slot - tonumber(fields['shift'] or 0), line = slot and (fields['line'] or 'ordinary'),
  express = fields['express'] == '1', override = fields['override'] == '1',
  plan = tonumber(fields['plan']),
}
local wakes = {}
local result = bucket_take(bucket, rate, now, request, late and math.huge or deadline)
if result.left or request.express then
  local places = {order = KEYS[13], due = KEYS[4], fetches = KEYS[14], stranded = KEYS[12]}
  if result.freed and result.left ~= 'express' then
    booking_freed(bucket, now, places, result.left, result.freed, wakes)
  end
  if (result.left == 'express' and result.line ~= 'express') or (result.at and request.express) then
    booking_invites(bucket, now, places, wakes)
  end
end

if result.slot then
  local back = math.ceil(result.slot)
  if result.line then
    redis.call('HSET', KEYS[1], 'slot', result.slot - bucket.shift, 'shift', 0, 'line', result.line)
  elseif not request.override then
    redis.call('HDEL', KEYS[1], 'slot', 'shift', 'line')
  end
  redis.call('HSET', KEYS[1], 'due', back)
  redis.call('ZADD', KEYS[4], back, ARGV[1])
  return {'wait', now, back - result.early, result.line and 1 or 0, wakes}
end
if not result.at then
  if now >= deadline then return answer('expire', wakes) end
  redis.call('HDEL', KEYS[1], 'slot', 'shift', 'line', 'express', 'plan', 'override')
  redis.call('HSET', KEYS[1], 'due', deadline, 'ask', 0, 'stranded', 1)
  redis.call('ZADD', KEYS[4], deadline, ARGV[1])
  redis.call('ZADD', KEYS[12], deadline, ARGV[1])
  return {'wait', now, deadline, 0, wakes}
end
if probe then
  redis.call('HSET', KEYS[7], 'probe_at', now + tonumber(ARGV[4]))
  redis.call('HDEL', KEYS[7], 'probe')
end
redis.call('HSET', KEYS[1], 'lease', now + tonumber(ARGV[4]), 'claim', ARGV[3])
-- Until then the others in the queue may wait for the place that this attempt has.
redis.call('HSET', KEYS[15], 'busy_until', now + tonumber(ARGV[4]))
if result.at > now then redis.call('HSET', KEYS[1], 'at', result.at) end
-- Whoever wanted an attempt while a dead one was under way ('again') gets this one.
if slot or fields['express'] or fields['again'] then
  redis.call('HDEL', KEYS[1], 'slot', 'shift', 'line', 'express', 'plan', 'override', 'again')
end
local clean = state == 'ok' and tonumber(account[4] or 0) == 0 and not (account[5] or account[6] or account[7])
return answer('go', probe and 'probe' or (clean and 'clean' or 'marked'), string.format('%.3f', result.at), wakes)
