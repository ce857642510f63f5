-- Gives up a claim and stores its message until it is due. Does nothing if the claim no longer exists.
--
-- KEYS     claims (hash), claims index (sorted set), delayed messages
-- ARGS     tag; delay: milliseconds from now
-- PAYLOAD  the digit of the priority, then the message

local CLAIMS, INDEX, DELAYED = unpack(KEYS)
local args = cjson.decode(ARGV[1])
if redis.call('HDEL', CLAIMS, args.tag) == 1 then
  redis.call('ZREM', INDEX, args.tag)
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', DELAYED, now + args.delay, ARGV[2])
end
