-- A worker's one call: forgets what it has finished, promotes what is due, and claims what there is room for.
-- A claimed message is recorded in the same step that takes it off its list, so no crash can lose it.
--
-- KEYS    claims (hash: tag -> list and message), claims index (sorted set: tag by time of claim in seconds),
--         then per queue: waiting, bell, one list per priority step
-- ARGV    1 room: how many messages to claim
--         2 share: how many in a row from one queue before the next has its turn
--         3 how many due messages to promote per queue
--         4 the beginning of the new claims' tags, unique to this call; a call that is repeated because its answer was
--           lost has the same, and gets the same messages
--         5 number of priority steps, then the steps, most urgent first,
--           then how many messages the queues may share beyond what is kept for them,
--           then per queue: how many into places that are kept for it, how many in all,
--           then the tags of finished messages
-- Returns per claimed message: its list, its tag, the message.

local claims, index = KEYS[1], KEYS[2]
local room, share, limit, prefix, steps = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local WAITING, BELL, LISTS, STRIDE = 3, 4, 5, 2 + steps
local queues = (#KEYS - 2) / STRIDE
local SPARE = 6 + steps
local spare, own, most = tonumber(ARGV[SPARE]), {}, {}
for queue = 0, queues - 1 do
  own[queue], most[queue] = tonumber(ARGV[SPARE + 1 + 2 * queue]), tonumber(ARGV[SPARE + 2 + 2 * queue])
end

for i = SPARE + 1 + 2 * queues, #ARGV do
  redis.call('HDEL', claims, ARGV[i])
  redis.call('ZREM', index, ARGV[i])
end

local time = redis.call('TIME')
local seconds = time[1] + time[2] / 1000000
local step_of = {}
for step = 0, steps - 1 do step_of[ARGV[6 + step]] = step end

-- Promoted messages join the end of their list: the earliest first, priority decides between lists. A priority that
-- is no step any more counts as the least urgent one.
for base = 0, #KEYS - WAITING, STRIDE do
  local due = redis.call('ZRANGEBYSCORE', KEYS[WAITING + base], '-inf', math.floor(seconds * 1000), 'LIMIT', 0, limit)
  for _, member in ipairs(due) do
    redis.call('LPUSH', KEYS[LISTS + base + (step_of[string.sub(member, 1, 1)] or steps - 1)], string.sub(member, 2))
  end
  if #due > 0 then redis.call('ZREMRANGEBYRANK', KEYS[WAITING + base], 0, #due - 1) end
end

local claimed = {}
local number = 1
if redis.call('HEXISTS', claims, prefix .. number) == 1 then
  for n = 1, room do
    local claim = redis.call('HGET', claims, prefix .. n)
    if claim then
      local list, message = cmsgpack.unpack(claim)
      claimed[#claimed + 1] = {list, prefix .. n, message}
    end
  end
  return claimed
end

local function claim(list)
  local message = redis.call('RPOP', list)
  if not message then return false end
  while redis.call('HSETNX', claims, prefix .. number, cmsgpack.pack(list, message)) == 0 do number = number + 1 end
  redis.call('ZADD', index, string.format('%.3f', seconds), prefix .. number)
  claimed[#claimed + 1] = {list, prefix .. number, message}
  return true
end

-- One message of a queue that has a place for it, the most urgent one.
local function claim_of(queue)
  if most[queue] <= 0 or own[queue] + spare <= 0 then return false end
  for step = 0, steps - 1 do
    if claim(KEYS[LISTS + queue * STRIDE + step]) then
      most[queue] = most[queue] - 1
      if own[queue] > 0 then own[queue] = own[queue] - 1 else spare = spare - 1 end
      return true
    end
  end
  return false
end

local turns = true
while turns and #claimed < room do
  turns = false
  for queue = 0, queues - 1 do
    for _ = 1, math.min(share, room - #claimed) do
      if not claim_of(queue) then break end
      turns = true
    end
  end
end

-- What is left over wakes another worker, or this one when it has room again.
for base = 0, #KEYS - WAITING, STRIDE do
  for step = 0, steps - 1 do
    if redis.call('EXISTS', KEYS[LISTS + base + step]) == 1 then
      if redis.call('EXISTS', KEYS[BELL + base]) == 0 then redis.call('LPUSH', KEYS[BELL + base], 1) end
      break
    end
  end
end

return claimed
