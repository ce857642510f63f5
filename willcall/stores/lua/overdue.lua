-- Finds overdue deliveries whose alarm clock is lost, to be sent again; as careful as `revive` with workers that are
-- merely behind: only what they have passed (or anything, if they claim nothing at all), once per overdue period,
-- which doubles. A copy has the number that the delivery has: whichever comes first acts, and makes the others stale.
-- KEYS  1 undelivered index  2 delivery (its key without the id)  3 notifier
-- ARGV  1 grace (ms)  2 offset into the overdue  3 how many to look at
-- Returns {how many were looked at, id, event id, number, host, id, event id, ...}

-- include: now

local now, grace = milliseconds(), tonumber(ARGV[1])
local progress = redis.call('HMGET', KEYS[3], 'reached', 'reached_at')
local passed = math.huge
if tonumber(progress[2] or 0) > now - grace then passed = tonumber(progress[1]) - grace end
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', math.min(now - grace, passed), 'LIMIT', ARGV[2], ARGV[3])
local sent = {#overdue}
for _, id in ipairs(overdue) do
  local key = KEYS[2] .. id
  local record = redis.call('HMGET', key, 'event', 'number', 'host', 'lease', 'resent', 'resend_at')
  if not record[1] then
    redis.call('ZREM', KEYS[1], id)
  elseif tonumber(record[4] or 0) <= now and tonumber(record[6] or 0) <= now then
    local resent = tonumber(record[5] or 0) + 1
    redis.call('HSET', key, 'resent', resent, 'resend_at', now + grace * 2 ^ math.min(resent, 20))
    for _, part in ipairs({id, record[1], tonumber(record[2]), record[3]}) do sent[#sent + 1] = part end
  end
end
return sent
