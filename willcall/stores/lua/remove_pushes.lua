-- Forgets kept pushes that their order has taken in.
-- KEYS  1 pushes kept for the reference  2 index of kept pushes
-- ARGV  1 member of the index  2.. digests of the pushes

redis.call('HDEL', KEYS[1], unpack(ARGV, 2))
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
