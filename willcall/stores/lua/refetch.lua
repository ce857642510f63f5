-- Finds overdue fetches whose alarm clock is lost, to be sent again: each at most once per period, which doubles.
-- KEYS  1 fetches index  2 order (its key without the id)
-- ARGV  1 grace (ms)  2 offset into the overdue  3 how many to look at
-- Returns {how many were looked at, id, id, ...}

-- include: now

local now, grace = milliseconds(), tonumber(ARGV[1])
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - grace, 'LIMIT', ARGV[2], ARGV[3])
local sent = {#overdue}
for _, id in ipairs(overdue) do
  local key = KEYS[2] .. id .. ':fetch'
  local fetch = redis.call('HMGET', key, 'lease', 'resent', 'resend_at')
  if tonumber(fetch[1] or 0) <= now and tonumber(fetch[3] or 0) <= now then
    local resent = tonumber(fetch[2] or 0) + 1
    redis.call('HSET', key, 'resent', resent, 'resend_at', now + grace * 2 ^ math.min(resent, 20))
    sent[#sent + 1] = id
  end
end
return sent
