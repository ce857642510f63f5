-- A process gives a sign of life.
-- KEYS  1 processes  2 the process
-- ARGV  1 its member in the index  2 what it says of itself (JSON)  3 silence after which it is forgotten (ms)

-- include: now

local now = milliseconds()
redis.call('HSETNX', KEYS[2], 'since', now)
redis.call('HSET', KEYS[2], 'detail', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
