-- Notes a document, once per owner and content.
-- KEYS  1 documents of the owner  2 document (its key without the id)  3 documents of accounts
-- ARGV  1 new id  2 owner  3 SHA-256  4 size  5 content type  6 '1' where the owner is an account
--       7 what is damaged about it, '' for nothing
-- Returns {id, 1 where it is the new one, content type, what is damaged}, the latter two as noted first

-- include: clock

local known = redis.call('HGET', KEYS[1], ARGV[3])
if known then
  local noted = redis.call('HMGET', KEYS[2] .. known, 'type', 'doubt')
  if noted[1] then return {known, 0, noted[1], noted[2] or ''} end
end
local id = known or ARGV[1]
redis.call('HSET', KEYS[1], ARGV[3], id)
redis.call('HSET', KEYS[2] .. id, 'owner', ARGV[2], 'sha256', ARGV[3], 'size', ARGV[4], 'type', ARGV[5])
if ARGV[7] ~= '' then redis.call('HSET', KEYS[2] .. id, 'doubt', ARGV[7]) end
if ARGV[6] == '1' then redis.call('ZADD', KEYS[3], milliseconds(), id) end
return {id, 1, ARGV[5], ARGV[7]}
