-- Notes a document, once per owner and content.
-- KEYS  1 documents of the owner  2 document (its key without the id)  3 documents of accounts
-- ARGV  1 new id  2 owner  3 SHA-256  4 size  5 content type  6 '1' where the owner is an account
-- Returns {id, 1 where it is the new one}

-- include: now

local known = redis.call('HGET', KEYS[1], ARGV[3])
if known then return {known, 0} end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2] .. ARGV[1], 'owner', ARGV[2], 'sha256', ARGV[3], 'size', ARGV[4], 'type', ARGV[5])
if ARGV[6] == '1' then redis.call('ZADD', KEYS[3], milliseconds(), ARGV[1]) end
return {ARGV[1], 1}
