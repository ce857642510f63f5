-- Claims messages for a worker. The same call forgets what the worker has finished and moves due messages to their lists.
-- A message is recorded as claimed in the same step that takes it off its list, so no crash can lose it.
--
-- KEYS     claims (hash: tag -> list and message), claims index (sorted set: tag by time of claim in seconds),
--          then per queue: delayed messages, wakeup, one list per priority step
-- ARGS     max_claims: messages to claim at most
--          max_promoted: due messages to move per queue
--          tag_prefix: start of the new tags, unique to this call. A call that is repeated because its answer was lost
--            has the same prefix and gets the same messages
--          steps: the priority steps, most urgent first
--          shared_slots: free slots that all queues share
--          slots: per queue its free reserved slots, and its free slots in all
--          finished: tags of finished messages
-- Returns  per claimed message: its list, its tag, the message
--
-- Example: one shared slot, one reserved slot for each of two queues A and B. A has five messages, B has one. The call
-- claims the first message of A (reserved slot), the one of B (its reserved slot) and a second one of A (shared slot).

local args = cjson.decode(ARGV[1])
local claims, index = KEYS[1], KEYS[2]
local DELAYED, WAKEUP, LISTS = 3, 4, 5 -- positions of the first queue's keys
local steps = #args.steps
local keys_per_queue = 2 + steps
local shared = args.shared_slots

for _, tag in ipairs(args.finished) do
  redis.call('HDEL', claims, tag)
  redis.call('ZREM', index, tag)
end

local time = redis.call('TIME')
local seconds = time[1] + time[2] / 1000000
local list_of_step = {}
for position, step in ipairs(args.steps) do list_of_step[tostring(step)] = position - 1 end

-- Due messages join the end of their list, the earliest first. A priority that is no step any more counts as the least
-- urgent one.
for base = 0, #KEYS - DELAYED, keys_per_queue do
  local delayed = KEYS[DELAYED + base]
  local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', math.floor(seconds * 1000), 'LIMIT', 0, args.max_promoted)
  for _, member in ipairs(due) do
    local list = list_of_step[string.sub(member, 1, 1)] or steps - 1
    redis.call('LPUSH', KEYS[LISTS + base + list], string.sub(member, 2))
  end
  if #due > 0 then redis.call('ZREMRANGEBYRANK', delayed, 0, #due - 1) end
end

local claimed = {}
local number = 1
if redis.call('HEXISTS', claims, args.tag_prefix .. number) == 1 then -- a repeated call
  for n = 1, args.max_claims do
    local tag = args.tag_prefix .. n
    local claim = redis.call('HGET', claims, tag)
    if claim then
      local origin, message = cmsgpack.unpack(claim)
      claimed[#claimed + 1] = {origin, tag, message}
    end
  end
  return claimed
end

local function claim_from_list(list)
  local message = redis.call('RPOP', list)
  if not message then return false end
  local claim = cmsgpack.pack(list, message)
  while redis.call('HSETNX', claims, args.tag_prefix .. number, claim) == 0 do number = number + 1 end
  local tag = args.tag_prefix .. number
  redis.call('ZADD', index, string.format('%.3f', seconds), tag)
  claimed[#claimed + 1] = {list, tag, message}
  return true
end

-- Claims the most urgent message of a queue, if the queue has a free slot.
local function claim_from_queue(queue)
  local slots = args.slots[queue]
  local reserved, total = slots[1], slots[2]
  if total <= 0 or reserved + shared <= 0 then return false end
  for list = 0, steps - 1 do
    if claim_from_list(KEYS[LISTS + (queue - 1) * keys_per_queue + list]) then
      slots[2] = total - 1
      if reserved > 0 then slots[1] = reserved - 1 else shared = shared - 1 end
      return true
    end
  end
  return false
end

-- Queues take turns.
local found = true
while found and #claimed < args.max_claims do
  found = false
  for queue = 1, #args.slots do
    if #claimed < args.max_claims and claim_from_queue(queue) then found = true end
  end
end

-- What is left wakes another worker, or this one once it has a free slot again.
for base = 0, #KEYS - DELAYED, keys_per_queue do
  for list = 0, steps - 1 do
    if redis.call('EXISTS', KEYS[LISTS + base + list]) == 1 then
      if redis.call('EXISTS', KEYS[WAKEUP + base]) == 0 then redis.call('LPUSH', KEYS[WAKEUP + base], 1) end
      break
    end
  end
end

return claimed
