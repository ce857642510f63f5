--!df flags=allow-undeclared-keys
-- Let one order continue that probes its account, which rejects our key or is down: the order whose answer tells most.
--
-- An order that itself got a 403 or an unreadable answer would get it again, whatever the account's health. It is
-- chosen only if no other order waits. If no order may be polled yet, the next probe moves to when one may.
--
-- KEYS     held index, due index, order prefix, account, token bucket
-- ARGS     minimum (ms between two attempts)
-- Returns  {id, seq, due (ms)}: send a message for it; {'', 0, ms}: hints of the provider forbid a probe until then; or
--          {}: no probe is due, one is under way, or there can be none

-- include: clock

local HELD, DUE, ORDERS, ACCOUNT, BUCKET = unpack(KEYS)
local args = cjson.decode(ARGV[1])

-- A probe that was sent and is due within so many ms is waited for; one that waits for its token, for longer.
local PATIENCE = 60000
-- How many orders are read at a time, and how many candidates one is chosen from.
local CHUNK, CHOICE = 500, 200
-- From the best on: an open order with a good answer, any other open one, a late check, and the same three in trouble.
local ANSWERED, OPEN, LATE, IN_TROUBLE = 1, 2, 3, 3

local now = server_time()
local account = redis.call('HMGET', ACCOUNT, 'state', 'probe_at', 'paused_until', 'probe', 'probes', 'refused')
local state, probes = account[1] or 'ok', tonumber(account[5] or 0)
if state == 'ok' or tonumber(account[2] or 0) > now or tonumber(account[3] or 0) > now then return {} end
local blocked = tonumber(redis.call('HGET', BUCKET, 'blocked') or 0)
if blocked > now then
  redis.call('HSET', ACCOUNT, 'probe_at', blocked)
  return {}
end
if account[4] then
  local coming = tonumber(redis.call('ZSCORE', DUE, account[4]))
  if coming and redis.call('HEXISTS', ORDERS .. account[4], 'slot') == 1 then
    redis.call('HSET', ACCOUNT, 'probe_at', math.max(now, coming))
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

-- Add an order to the candidates of its class. Returns true if it is due anyway, and so is the probe.
local function consider(index, id, score)
  local values = redis.call('HMGET', ORDERS .. id, 'seq', 'status', 'lease', 'last_poll', 'hint', 'not_before',
    'deadline', 'answered', 'refusals', 'attention', 'slot', 'ask', 'number', 'bound')
  local order = {
    id = id, index = index, seq = values[1], status = values[2], answered = tonumber(values[8] or 0),
    number = tonumber(values[13] or 0), troubled = values[9] or values[10] == 'malformed',
  }
  if not order.seq then
    redis.call('ZREM', index, id)
    return false
  end
  if tonumber(values[3] or 0) > now then return false end
  -- The credentials of a user say nothing about the account's.
  if values[14] and state == 'unauthorized' then return false end
  local due = tonumber(score)
  if index == DUE and due <= now and not order.troubled then return true end
  order.at = math.max(now, tonumber(values[4] or 0) + args.minimum, tonumber(values[5] or 0), tonumber(values[6] or 0))
  local class = class_of(order)
  if class ~= LATE and class ~= LATE + IN_TROUBLE and order.at > tonumber(values[7]) then return false end
  -- It comes at its booked slot. If no further attempt is allowed, that stays so.
  if index == DUE and values[11] then order.at = math.max(order.at, due) end
  if index == DUE and values[12] ~= '1' then return false end
  if order.at <= now then
    table.insert(candidates[class], order)
  elseif not soonest or order.at < soonest then
    soonest, hinted = order.at, tonumber(values[5] or 0) == order.at
  end
  return false
end

-- Orders that are refused one after the other were often submitted one after the other. So if 403s stopped the account,
-- the choice starts with the newest.
local newest_first = account[6] and state == 'unauthorized'
for _, index in ipairs({HELD, DUE}) do
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

-- The first, the last, the middle, the quarters, and so on (van der Corput's sequence): wherever the good orders are
-- among the others, one is found soon.
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
    redis.call('HSET', ACCOUNT, 'probe', order.id, 'probes', probes + 1)
    if order.index == HELD then redis.call('ZREM', HELD, order.id) end
    redis.call('HSET', ORDERS .. order.id, 'seq', order.seq + 1, 'due', order.at, 'ask', 1)
    redis.call('HDEL', ORDERS .. order.id, 'resent', 'resend_at')
    redis.call('ZADD', DUE, order.at, order.id)
    return {order.id, order.seq + 1, order.at}
  end
end
if not soonest then return {} end
redis.call('HSET', ACCOUNT, 'probe_at', soonest)
if not hinted then return {} end
redis.call('HSET', ACCOUNT, 'hint_until', soonest)
return {'', 0, soonest}
