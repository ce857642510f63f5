-- Gives claimed messages back to their lists, marked as redelivered; a claim that is gone already is skipped.
-- A message whose worker has not finished it in time gets a mark each time: so many may be too many.
--
-- KEYS  claims (hash: tag -> list and message), claims index (sorted set)
-- ARGV  RPUSH to be served next or LPUSH to be served last, 1 if their worker has not finished them in time, then tags
-- Returns the number of messages given back.

local restored = 0
for i = 3, #ARGV do
  local claim = redis.call('HGET', KEYS[1], ARGV[i])
  if claim then
    local list, message = cmsgpack.unpack(claim)
    if ARGV[2] == '1' or string.sub(message, 1, 1) ~= '!' then message = '!' .. message end
    redis.call(ARGV[1], list, message)
    redis.call('HDEL', KEYS[1], ARGV[i])
    restored = restored + 1
  end
  redis.call('ZREM', KEYS[2], ARGV[i])
end
return restored
