-- Stores a message until it is due, by the server's clock.
--
-- KEYS     delayed messages
-- ARGS     delay: milliseconds from now
-- PAYLOAD  the digit of the priority, then the message

local args = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + args.delay, ARGV[2])
