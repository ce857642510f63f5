-- Record a heartbeat of a process.
-- KEYS  1 processes  2 the process  3 the last signs  4 the state's identity
-- ARGV  1 its member in the index  2 what it says of itself (JSON)  3 silence after which it is forgotten (ms)
--       4 its kind  5 its name  6 the identity to give to a state that has none
-- Returns the state's identity: another one than before if Redis was emptied or replaced in between.

-- include: clock

local now = milliseconds()
redis.call('HSETNX', KEYS[2], 'since', now)
redis.call('HSET', KEYS[2], 'detail', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[4], cjson.encode({now, ARGV[5]}))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
redis.call('HSETNX', KEYS[4], 'id', ARGV[6])
return redis.call('HGET', KEYS[4], 'id')
