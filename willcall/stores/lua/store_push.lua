-- Keeps a push until its order is submitted, unless the order is there already.
-- KEYS  1 references  2 pushes kept for this reference  3 index of kept pushes
-- ARGV  1 reference  2 digest of the push  3 push (JSON)  4 member of the index  5 how long to keep it (ms)
-- Returns the order's id: nothing was kept; or '' : it is kept, perhaps since an earlier time

-- include: clock

local order_id = redis.call('HGET', KEYS[1], ARGV[1])
if order_id then return order_id end
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[3]) == 1 then
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  redis.call('ZADD', KEYS[3], milliseconds() + ARGV[5], ARGV[4])
end
return ''
