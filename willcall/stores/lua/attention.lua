-- Looks at orders that need attention, newest first, without reading them whole.
-- KEYS  1 attention  2 order (prefix)
-- ARGV  1 highest position to look at (as ZREVRANGEBYSCORE takes it)  2 how many
-- Returns {id, position, provider, account, attention, status, ...}; what an order that is gone had is nil
local found = {}
local entries = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for at = 1, #entries, 2 do
  local fields = redis.call('HMGET', KEYS[2] .. entries[at], 'provider', 'account', 'attention', 'status')
  for _, value in ipairs({entries[at], entries[at + 1]}) do found[#found + 1] = value end
  for field = 1, 4 do found[#found + 1] = fields[field] end
end
return found
