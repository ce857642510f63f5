-- Lets a message wait until it is due, by the server's clock.
--
-- KEYS  waiting
-- ARGV  member (the digit of its priority, then the message), milliseconds from now until it is due

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
