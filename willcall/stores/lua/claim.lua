-- Permission for one attempt: checks everything that must hold at one instant, and takes a token.
-- KEYS  1 order  2 spec  3 tickets  4 due index  5 held index  6 token bucket  7 account  8 attention indexes (see attention.lua)
--       9 progress of the provider's queue
-- ARGV  1 id  2 seq of the message  3 claim id  4 lease (ms)  5-8 rate (see bucket.lua)
-- Returns {verdict, now, ...}:
--   'gone' | 'stale' | 'closed'   nothing to do, ever, for this message
--   'busy'                        another worker is asking right now (a repeated claim of one's own is granted again)
--   'held'                        the account is parked or paused; the order waits in the held index
--   'wait', now, until, booked    come back then; booked 1 where a token is booked for that moment just now, else 0
--   'expire', now, order, spec, tickets          the deadline is here and no attempt is allowed any more
--   'go', now, order, spec, tickets, account     ask; lease and claim id are set, the token is taken

-- include: now
-- include: bucket
-- include: attention

local function value(flat, name)
  for i = 1, #flat, 2 do
    if flat[i] == name then return flat[i + 1] end
  end
  return nil
end

local now = milliseconds()
local order = redis.call('HGETALL', KEYS[1])
if #order == 0 then return {'gone', now} end
if value(order, 'seq') ~= ARGV[2] then return {'stale', now} end
local status = value(order, 'status')
local late = status == 'fulfilled' or status == 'expired'
local ask = value(order, 'ask') == '1'
if status == 'failed' or status == 'cancelled' or (late and not ask) then return {'closed', now} end

local function answer(verdict, ...)
  return {verdict, now, order, redis.call('GET', KEYS[2]) or '', redis.call('GET', KEYS[3]) or '', ...}
end

if tonumber(value(order, 'lease') or 0) > now then
  if value(order, 'claim') == ARGV[3] then return answer('go', 'marked') end
  return {'busy', now}
end
local due = tonumber(value(order, 'due') or 0)
if due > now then return {'wait', now, due, 0} end

local deadline = tonumber(value(order, 'deadline'))
if not ask then return answer('expire') end

local slotted = value(order, 'slot')
-- How far the workers have come through the provider's queue, for `revive`; those at a slot overtake the others.
if not slotted then redis.call('HSET', KEYS[9], 'reached', due, 'reached_at', now) end
local account = redis.call('HMGET', KEYS[7], 'state', 'probe_at', 'paused_until', 'failures', 'refused', 'throttled_since',
  'unreadable', 'probe')
local state = account[1] or 'ok'
local probe = false
if tonumber(account[3] or 0) > now then
  state = 'paused'
elseif state ~= 'ok' then
  -- One that was itself refused, or unreadable, says nothing of the account: it probes where it was chosen to.
  local troubled = value(order, 'refusals') or value(order, 'attention') == 'malformed'
  probe = tonumber(account[2] or 0) <= now and (not troubled or account[8] == ARGV[1])
end
if state ~= 'ok' and not probe then
  if not late and deadline <= now then return answer('expire') end
  redis.call('ZREM', KEYS[4], ARGV[1])
  redis.call('ZADD', KEYS[5], late and '+inf' or deadline, ARGV[1])
  redis.call('HDEL', KEYS[1], 'due', 'slot', 'shift')
  if state == 'unauthorized' then attention_is(KEYS[1], KEYS[8], ARGV[1], state, now) end
  return {'held', now}
end

local slot, shift = bucket_take(bucket_load(KEYS[6]), bucket_rate(ARGV, 5), now,
  tonumber(slotted), tonumber(value(order, 'shift') or 0), value(order, 'express') == '1')
if slot then
  redis.call('HSET', KEYS[1], 'slot', slot, 'shift', shift, 'due', slot)
  redis.call('ZADD', KEYS[4], slot, ARGV[1])
  return {'wait', now, slot, 1}
end
if probe then
  redis.call('HSET', KEYS[7], 'probe_at', now + tonumber(ARGV[4]))
  redis.call('HDEL', KEYS[7], 'probe')
end
redis.call('HSET', KEYS[1], 'lease', now + tonumber(ARGV[4]), 'claim', ARGV[3])
-- Until then the others in the queue may wait for the place that this attempt has.
redis.call('HSET', KEYS[9], 'busy_until', now + tonumber(ARGV[4]))
-- Whoever wished for an attempt while a dead one was under way ('again') gets this one.
redis.call('HDEL', KEYS[1], 'slot', 'shift', 'express', 'again')
local clean = state == 'ok' and tonumber(account[4] or 0) == 0 and not (account[5] or account[6] or account[7])
return answer('go', probe and 'probe' or (clean and 'clean' or 'marked'))
