-- Finds overdue orders whose alarm clock is lost, and gives each a new sequence number to be sent with.
-- An order is re-sent at most once per overdue period, and the period doubles: workers that are merely behind
-- are not buried under copies, and of the copies only the last one is not stale.
-- KEYS  1 due index  2 order (its key without the id)
-- ARGV  1 grace (ms)  2 offset into the overdue  3 how many to look at
-- Returns {how many were looked at, id, seq, id, seq, ...}

-- include: now

local now, grace = milliseconds(), tonumber(ARGV[1])
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - grace, 'LIMIT', ARGV[2], ARGV[3])
local sent = {#overdue}
for _, id in ipairs(overdue) do
  local key = KEYS[2] .. id
  local order = redis.call('HMGET', key, 'seq', 'lease', 'resent', 'resend_at')
  if not order[1] then
    redis.call('ZREM', KEYS[1], id)
  elseif tonumber(order[2] or 0) <= now and tonumber(order[4] or 0) <= now then
    local resent = tonumber(order[3] or 0)
    local seq = order[1] + 1
    redis.call('HSET', key, 'seq', seq, 'resent', resent + 1, 'resend_at', now + grace * 2 ^ math.min(resent + 1, 20))
    sent[#sent + 1] = id
    sent[#sent + 1] = seq
  end
end
return sent
