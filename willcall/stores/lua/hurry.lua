-- Somebody asks for an attempt now: a person, a provider's callback, a late check.
-- KEYS  1 order  2 due index  3 held index
-- ARGV  1 id  2 minimum between two attempts (ms)  3 '1' to use the tokens kept for pushes
-- Returns {'sent', seq, due ms}: send a message for it; or {'gone' | 'closed' | 'held' | 'busy' | 'soon'}:
--   'busy' an attempt is under way, another follows it; 'soon' it is due sooner than a new one could be

-- include: now

local now = milliseconds()
local order = redis.call('HMGET', KEYS[1], 'status', 'lease', 'seq', 'due', 'ask', 'last_poll', 'hint', 'not_before', 'deadline')
local status = order[1]
if not status then return {'gone'} end
if status == 'failed' or status == 'cancelled' then return {'closed'} end
if tonumber(order[2] or 0) > now then
  redis.call('HSET', KEYS[1], 'again', 1)
  return {'busy'}
end
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then return {'held'} end
local due = math.max(now, tonumber(order[6] or 0) + tonumber(ARGV[2]), tonumber(order[7] or 0), tonumber(order[8] or 0))
local open = status == 'pending' or status == 'partial'
if open and due > tonumber(order[9]) then return {'soon'} end
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'express', 1) end
if order[5] == '1' and tonumber(order[4] or due + 1) <= due then return {'soon'} end
local seq = tonumber(order[3]) + 1
redis.call('HSET', KEYS[1], 'seq', seq, 'due', due, 'ask', 1)
redis.call('HDEL', KEYS[1], 'slot', 'shift', 'resent', 'resend_at')
redis.call('ZADD', KEYS[2], due, ARGV[1])
return {'sent', seq, due}
