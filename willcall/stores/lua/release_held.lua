-- Lets orders that wait for a parked account go on: all, as it is well, or one that probes it. That one still needs
-- attention, and since when it does, until it is answered. One that may not be asked about before its deadline any more
-- is due then, to expire.
-- KEYS  1 held index  2 due index  3 attention indexes (see attention.lua)  4 order (its key without the id)
--       5 account
-- ARGV  1 how many  2 minimum between two attempts (ms)
-- Returns {id, seq, due, id, seq, due, ...}: send a message for each

-- include: clock
-- include: attention

local now = milliseconds()
local well = (redis.call('HGET', KEYS[5], 'state') or 'ok') == 'ok'
local sent = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)) do
  redis.call('ZREM', KEYS[1], id)
  local key = KEYS[4] .. id
  local order = redis.call('HMGET', key, 'seq', 'last_poll', 'hint', 'not_before', 'deadline', 'status')
  if order[1] then
    local last, hint, not_before = tonumber(order[2] or 0), tonumber(order[3] or 0), tonumber(order[4] or 0)
    local due, ask = math.max(now, last + tonumber(ARGV[2]), hint, not_before), 1
    if (order[6] == 'pending' or order[6] == 'partial') and due > tonumber(order[5]) then
      due, ask = math.max(now, tonumber(order[5])), 0
    end
    redis.call('HSET', key, 'seq', order[1] + 1, 'due', due, 'ask', ask)
    if well then attention_ends(key, KEYS[3], id, 'unauthorized') end
    redis.call('ZADD', KEYS[2], due, id)
    for _, part in ipairs({id, order[1] + 1, due}) do sent[#sent + 1] = part end
  end
end
return sent
