-- Write as Willcall does, and leave nothing behind. A Redis user without one of these rights cannot run it.
-- KEYS     two of Willcall's own, which a cluster has in different places: it rejects the script
-- Returns  nothing

redis.call('SET', KEYS[1], 1, 'PX', 1000)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'written', 1)
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], 1, 'written')
redis.call('DEL', KEYS[1])
