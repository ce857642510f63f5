-- Asks for an attempt ahead of its time: a person, a provider's callback, a late check.
-- KEYS  1 order  2 due index  3 held index  4 token bucket
-- ARGV  1 id  2 minimum between two attempts (ms)  3 requester: 'sweep' | 'provider' | 'person' | 'override', where the
--       last ends the order's own hint  4-7 rate (see bucket.lua)
-- Returns {verdict, when the provider will be asked (ms), seq, due (ms)}, the last two where a message is to be sent:
--   'sent'                    send it
--   'soon'                    it is due sooner than a new attempt could be
--   'busy'                    an attempt is under way, another follows it
--   'gone' | 'closed'         there is nothing to ask
--   'held'                    it waits for its account
--   'too_late'                a hint or the minimum forbids any further attempt before the deadline

-- include: now
-- include: bucket

local now = milliseconds()
local order = redis.call('HMGET', KEYS[1], 'status', 'lease', 'seq', 'due', 'ask', 'last_poll', 'hint', 'not_before', 'deadline')
local status = order[1]
if not status then return {'gone'} end
if status == 'failed' or status == 'cancelled' then return {'closed'} end
local override = ARGV[3] == 'override'
local express = ARGV[3] ~= 'sweep'
if tonumber(order[2] or 0) > now then
  redis.call('HSET', KEYS[1], 'again', 1)
  return {'busy'}
end
if override then redis.call('HDEL', KEYS[1], 'hint') end
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'held'} end
local hint = override and 0 or tonumber(order[7] or 0)
local due = math.max(now, tonumber(order[6] or 0) + tonumber(ARGV[2]), hint, tonumber(order[8] or 0))
local open = status == 'pending' or status == 'partial'
if open and due > tonumber(order[9]) then return {'too_late'} end
if express then redis.call('HSET', KEYS[1], 'express', 1) end
if order[5] == '1' and tonumber(order[4] or due + 1) <= due then return {'soon', tonumber(order[4])} end
local seq = tonumber(order[3]) + 1
redis.call('HSET', KEYS[1], 'seq', seq, 'due', due, 'ask', 1)
redis.call('HDEL', KEYS[1], 'slot', 'shift', 'resent', 'resend_at')
redis.call('ZADD', KEYS[2], due, ARGV[1])
return {'sent', due, seq, due}
