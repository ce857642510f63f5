-- What is overdue because its alarm clock is lost is sent again.
--
-- Workers that are merely behind must not be buried under copies. So a thing is re-sent only when they have passed its
-- place in the queue (or take nothing at all), never while somebody is at it, at most once per overdue period, and the
-- period doubles.
-- indexes: by due time first; what is gone leaves all of them. prefix: key of a thing without its id. progress: hash of
-- how far the workers have come, when they came there, and until when all of them may be busy (nil = unknown). fields: what a message needs; a thing without the first one is gone.
-- ARGV  1 grace (ms)  2 offset into the overdue  3 how many to look at
-- Returns {how many were looked at, id, its fields, id, its fields, ...}

-- include: clock

local function resend(indexes, prefix, progress, fields)
  local now, grace = milliseconds(), tonumber(ARGV[1])
  local reached = progress and redis.call('HMGET', progress, 'reached', 'reached_at', 'busy_until') or {}
  local passed = math.huge
  local at_work = math.max(tonumber(reached[2] or 0), tonumber(reached[3] or 0))
  if reached[1] and at_work > now - grace then passed = tonumber(reached[1]) - grace end
  local overdue = redis.call('ZRANGEBYSCORE', indexes[1], '-inf', math.min(now - grace, passed), 'LIMIT', ARGV[2], ARGV[3])
  local sent = {#overdue}
  for _, id in ipairs(overdue) do
    local key = prefix .. id
    local record = redis.call('HMGET', key, 'lease', 'resent', 'resend_at', unpack(fields))
    if #fields > 0 and not record[4] then
      for _, index in ipairs(indexes) do redis.call('ZREM', index, id) end
    elseif tonumber(record[1] or 0) <= now and tonumber(record[3] or 0) <= now then
      local resent = tonumber(record[2] or 0) + 1
      redis.call('HSET', key, 'resent', resent, 'resend_at', now + grace * 2 ^ math.min(resent, 20))
      sent[#sent + 1] = id
      for at = 4, 3 + #fields do sent[#sent + 1] = record[at] or '' end
    end
  end
  return sent
end
