-- Somebody wants a backend to be told of an order's latest event again: the schedule starts anew, now. Since when it is
-- to be told stays as it was, unless it was delivered meanwhile.
-- KEYS  1 delivery  2 undelivered index  3 order  4 attention indexes (see attention.lua)
--       5 events  6 untold index
-- ARGV  1 id
-- Returns {'sent', event id, number, host}: send this message; or {'none'}: there is no event to tell of;
--   or {'forgotten'}: it was delivered, and the feed no longer has it

-- include: clock
-- include: attention

local record = redis.call('HMGET', KEYS[1], 'event', 'cursor', 'host', 'data', 'state', 'at', 'since')
if not record[1] then return {'none'} end
if not record[4] then
  local entry = redis.call('XRANGE', KEYS[5], record[2], record[2])[1]
  if not entry then return {'forgotten'} end
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'data' then redis.call('HSET', KEYS[1], 'data', entry[2][i + 1]) end
  end
end
local now = milliseconds()
local since = record[7] or record[6]
if record[5] == 'delivered' then
  since = now
  redis.call('HSET', KEYS[1], 'since', since)
end
local number = redis.call('HINCRBY', KEYS[1], 'number', 1)
redis.call('HSET', KEYS[1], 'due', now)
redis.call('HDEL', KEYS[1], 'state', 'tries', 'resent', 'resend_at')
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[6], since, ARGV[1])
attention_ends(KEYS[3], KEYS[4], ARGV[1], 'undeliverable')
return {'sent', record[1], number, record[3]}
