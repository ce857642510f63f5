-- Finds overdue orders whose alarm clock is lost, to be sent again.
--
-- Workers that are merely behind must not be buried under copies. So an order is re-sent only when the workers have
-- passed its place in the queue (or claim nothing at all), at most once per overdue period, and the period doubles.
-- A copy has the sequence number that the order has: whichever comes first acts, and makes the others stale.
-- KEYS  1 due index  2 order (its key without the id)  3 account
-- ARGV  1 grace (ms)  2 offset into the overdue  3 how many to look at
-- Returns {how many were looked at, id, seq, id, seq, ...}

-- include: now

local now, grace = milliseconds(), tonumber(ARGV[1])
local progress = redis.call('HMGET', KEYS[3], 'reached', 'reached_at')
local passed = math.huge
if tonumber(progress[2] or 0) > now - grace then passed = tonumber(progress[1]) - grace end
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', math.min(now - grace, passed), 'LIMIT', ARGV[2], ARGV[3])
local sent = {#overdue}
for _, id in ipairs(overdue) do
  local key = KEYS[2] .. id
  local order = redis.call('HMGET', key, 'seq', 'lease', 'resent', 'resend_at')
  if not order[1] then
    redis.call('ZREM', KEYS[1], id)
  elseif tonumber(order[2] or 0) <= now and tonumber(order[4] or 0) <= now then
    local resent = tonumber(order[3] or 0) + 1
    redis.call('HSET', key, 'resent', resent, 'resend_at', now + grace * 2 ^ math.min(resent, 20))
    sent[#sent + 1] = id
    sent[#sent + 1] = tonumber(order[1])
  end
end
return sent
