-- Ends a lease, if it is still the caller's.
-- KEYS  1 lease
-- ARGV  1 token of the caller
-- Returns 1 where it was

if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
