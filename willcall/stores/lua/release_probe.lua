-- Lets one order go on that probes its account, which is refused or down: the one whose answer tells most of the account.
-- KEYS  1 held index  2 due index  3 order (its key without the id)  4 account  5 token bucket
-- ARGV  1 minimum between two attempts (ms)
-- Returns {id, seq, due ms}: send a message for it; {'', 0, ms} where the provider's hints keep all its orders from that
--   until then; or {} where no probe is due, one is on its way, or none can be
--
-- An order that was itself answered 403 or unreadably would be again, whatever the account is like, so it is chosen only
-- where no other waits. Where nobody may be asked yet, the moment of the next probe moves to when somebody may.

-- include: clock

-- A probe that was sent and is due within so long (ms) is waited for; one that waits for its token longer.
local PATIENCE = 60000
-- Orders read at a time, and candidates among which one is chosen.
local CHUNK, CHOICE = 500, 200
-- From the best on: an open order that was answered well, any other open one, a late check, and the same three in trouble.
local ANSWERED, OPEN, LATE, IN_TROUBLE = 1, 2, 3, 3

local now = milliseconds()
local account = redis.call('HMGET', KEYS[4], 'state', 'probe_at', 'paused_until', 'probe', 'probes', 'refused')
local state, probes = account[1] or 'ok', tonumber(account[5] or 0)
if state == 'ok' or tonumber(account[2] or 0) > now or tonumber(account[3] or 0) > now then return {} end
local blocked = tonumber(redis.call('HGET', KEYS[5], 'blocked') or 0)
if blocked > now then
  redis.call('HSET', KEYS[4], 'probe_at', blocked)
  return {}
end
if account[4] then
  local coming = tonumber(redis.call('ZSCORE', KEYS[2], account[4]))
  if coming and redis.call('HEXISTS', KEYS[3] .. account[4], 'slot') == 1 then
    redis.call('HSET', KEYS[4], 'probe_at', math.max(now, coming))
    return {}
  end
  if coming and coming <= now + PATIENCE then return {} end
end

local candidates, soonest, hinted = {}, nil, false
for class = ANSWERED, LATE + IN_TROUBLE do candidates[class] = {} end

local function class_of(order)
  local open = order.status == 'pending' or order.status == 'partial'
  local class = not open and LATE or (order.answered > 0 and ANSWERED or OPEN)
  return order.troubled and class + IN_TROUBLE or class
end

-- Files an order under its class. Returns whether it is a probe that comes by itself.
local function consider(index, id, score)
  local values = redis.call('HMGET', KEYS[3] .. id, 'seq', 'status', 'lease', 'last_poll', 'hint', 'not_before', 'deadline',
    'answered', 'refusals', 'attention', 'slot', 'ask', 'number')
  local order = {
    id = id, index = index, seq = values[1], status = values[2], answered = tonumber(values[8] or 0),
    number = tonumber(values[13] or 0), troubled = values[9] or values[10] == 'malformed',
  }
  if not order.seq then
    redis.call('ZREM', index, id)
    return false
  end
  if tonumber(values[3] or 0) > now then return false end
  local due = tonumber(score)
  if index == KEYS[2] and due <= now and not order.troubled then return true end
  order.at = math.max(now, tonumber(values[4] or 0) + tonumber(ARGV[1]), tonumber(values[5] or 0), tonumber(values[6] or 0))
  local class = class_of(order)
  if class ~= LATE and class ~= LATE + IN_TROUBLE and order.at > tonumber(values[7]) then return false end
  -- A booked slot is its turn; that no attempt is allowed any more stays so.
  if index == KEYS[2] and values[11] then order.at = math.max(order.at, due) end
  if index == KEYS[2] and values[12] ~= '1' then return false end
  if order.at <= now then
    table.insert(candidates[class], order)
  elseif not soonest or order.at < soonest then
    soonest, hinted = order.at, tonumber(values[5] or 0) == order.at
  end
  return false
end

-- Orders refused one after the other were often submitted one after the other, so that where 403 has parked the account
-- the choice begins with the newest.
local newest_first = account[6] and state == 'unauthorized'
for _, index in ipairs({KEYS[1], KEYS[2]}) do
  local offset, found = 0, nil
  repeat
    local command = newest_first and 'ZREVRANGE' or 'ZRANGE'
    found = redis.call(command, index, offset, offset + CHUNK - 1, 'WITHSCORES')
    for i = 1, #found, 2 do
      if consider(index, found[i], found[i + 1]) then return {} end
    end
    offset = offset + CHUNK
  until #found == 0 or #candidates[ANSWERED] > 0 or #candidates[OPEN] >= CHOICE
end

-- The first, the last, the middle, the quarters, and so on (van der Corput's sequence): wherever the good ones are among
-- the others, one is met soon.
local function pick(class)
  if not newest_first or probes == 0 then return class[1] end
  if probes == 1 then return class[#class] end
  local fraction, part, number = 0, 1, probes - 1
  while number > 0 do
    part = part / 2
    fraction = fraction + part * (number % 2)
    number = math.floor(number / 2)
  end
  return class[math.floor(fraction * #class) + 1]
end

for class = ANSWERED, LATE + IN_TROUBLE do
  if newest_first then table.sort(candidates[class], function(a, b) return a.number > b.number end) end
  local order = pick(candidates[class])
  if order then
    redis.call('HSET', KEYS[4], 'probe', order.id, 'probes', probes + 1)
    if order.index == KEYS[1] then redis.call('ZREM', KEYS[1], order.id) end
    redis.call('HSET', KEYS[3] .. order.id, 'seq', order.seq + 1, 'due', order.at, 'ask', 1)
    redis.call('HDEL', KEYS[3] .. order.id, 'resent', 'resend_at')
    redis.call('ZADD', KEYS[2], order.at, order.id)
    return {order.id, order.seq + 1, order.at}
  end
end
if not soonest then return {} end
redis.call('HSET', KEYS[4], 'probe_at', soonest)
if not hinted then return {} end
redis.call('HSET', KEYS[4], 'hint_until', soonest)
return {'', 0, soonest}
