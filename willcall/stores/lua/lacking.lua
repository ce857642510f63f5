-- Looks at orders whose documents are to be fetched, without reading them whole.
-- KEYS  1 fetches index  2 fetch (its key without the id)
-- ARGV  1 offset  2 how many
-- Returns {id, since when (ms), ...}: since the first try, or where there was none, the time that it is due
local found = {}
local entries = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
for at = 1, #entries, 2 do
  found[at] = entries[at]
  found[at + 1] = redis.call('HGET', KEYS[2] .. entries[at], 'since') or entries[at + 1]
end
return found
