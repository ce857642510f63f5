-- Counts orders that need attention, newest first, and names some of them.
-- KEYS  1 attention  2 order (prefix)
-- ARGV  1 highest position to look at (as ZREVRANGEBYSCORE takes it)  2 how many to look at  3 how many to name
--       4.. accounts whose orders are counted, and not named, where they are `unauthorized`
-- Returns {last position looked at ('' where there is no more), {account, attention, count, ...}, {id, ...}}
local entries = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local parked = {}
for at = 4, #ARGV do parked[ARGV[at]] = true end
local counts, named = {}, {}
for at = 1, #entries, 2 do
  local fields = redis.call('HMGET', KEYS[2] .. entries[at], 'provider', 'account', 'attention')
  if fields[3] then
    local account, attention = fields[1] .. '/' .. fields[2], fields[3]
    local of = counts[account] or {}
    counts[account] = of
    of[attention] = (of[attention] or 0) + 1
    if #named < tonumber(ARGV[3]) and not (attention == 'unauthorized' and parked[account]) then
      named[#named + 1] = entries[at]
    end
  end
end
local flat = {}
for account, of in pairs(counts) do
  for attention, count in pairs(of) do
    for _, value in ipairs({account, attention, count}) do flat[#flat + 1] = value end
  end
end
local last = #entries == 2 * tonumber(ARGV[2]) and entries[#entries] or ''
return {last, flat, named}
