-- Lets a claimed message wait until it is due, by the server's clock; nothing happens where the claim is gone.
--
-- KEYS     claims (hash), claims index (sorted set), waiting
-- ARGV     tag, member (the digit of its priority, then the message), milliseconds from now until it is due
-- Returns  1 if it waits now

if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[2])
return 1
