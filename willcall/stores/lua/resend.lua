-- Defines resend(): finds what is overdue because its scheduled message was lost, and marks it as sent again.
--
-- Workers that are merely slow must not be flooded with copies. So a thing is sent again only
--   * if workers have already processed what was due after it, or process nothing at all,
--   * never while a worker has a lease on it,
--   * at most once per overdue period, which doubles each time.
--
-- indexes: sorted sets by due time, the first one is searched; things that are gone leave all of them
-- prefix: key of a thing without its id
-- progress: hash of how far the workers have come, and until when all of them may be busy (nil = unknown)
-- fields: of the thing, needed for its message; a thing without the first one is gone
-- args = {grace (ms overdue), offset, count}
-- Returns {how many were looked at, id, fields of it, id, fields of it, ...}

-- include: clock

local function resend(indexes, prefix, progress, fields, args)
  local now = server_time()
  local reached = progress and redis.call('HMGET', progress, 'reached', 'reached_at', 'busy_until') or {}
  local passed = math.huge
  local working_until = math.max(tonumber(reached[2] or 0), tonumber(reached[3] or 0))
  if reached[1] and working_until > now - args.grace then passed = tonumber(reached[1]) - args.grace end
  local latest = math.min(now - args.grace, passed)
  local overdue = redis.call('ZRANGEBYSCORE', indexes[1], '-inf', latest, 'LIMIT', args.offset, args.count)
  local found = {#overdue}
  for _, id in ipairs(overdue) do
    local key = prefix .. id
    local record = redis.call('HMGET', key, 'lease', 'resent', 'resend_at', unpack(fields))
    if #fields > 0 and not record[4] then
      for _, index in ipairs(indexes) do redis.call('ZREM', index, id) end
    elseif tonumber(record[1] or 0) <= now and tonumber(record[3] or 0) <= now then
      local resent = tonumber(record[2] or 0) + 1
      redis.call('HSET', key, 'resent', resent, 'resend_at', now + args.grace * 2 ^ math.min(resent, 20))
      found[#found + 1] = id
      for position = 4, 3 + #fields do found[#found + 1] = record[position] or '' end
    end
  end
  return found
end
