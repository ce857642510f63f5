-- Gives claimed messages back to their lists, marked as redelivered; a claim that is gone already is skipped.
--
-- KEYS  claims (hash: tag -> list and message), claims index (sorted set)
-- ARGV  RPUSH to be served next or LPUSH to be served last, then tags
-- Returns the number of messages given back.

local restored = 0
for i = 2, #ARGV do
  local claim = redis.call('HGET', KEYS[1], ARGV[i])
  if claim then
    local list, message = cmsgpack.unpack(claim)
    if string.sub(message, 1, 1) ~= '!' then message = '!' .. message end
    redis.call(ARGV[1], list, message)
    redis.call('HDEL', KEYS[1], ARGV[i])
    restored = restored + 1
  end
  redis.call('ZREM', KEYS[2], ARGV[i])
end
return restored
