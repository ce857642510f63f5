-- Record what an answer says about the whole account.
-- KEYS     account, token bucket, due index, held index, and the four keys of an alert (see alert.lua)
-- ARGS     signal: 'answered', 'throttled', 'unavailable', 'unauthorized', 'forbidden' or 'malformed'
--          order (its id; nil: it counts no further, as an order that stays unreadable says so once)
--          probe (whether the attempt was the account's probe)
--          till (ms; no request before: the end of a throttle, or of the wait that a 401 asked for; nil: none)
--          first_probe, longest_probe (ms between probes)
--          outages (in a row that take the account down), refusals and unreadable (different orders answered 403 or
--          unreadably, with no good answer in between, that stop it)
--          user (whether the credentials were a user's own: the answer says nothing about those of the account)
--          why (text for people), alert (see alert.lua)
-- Returns  {state before, state after: 'ok', 'unauthorized' or 'down', 1 if operators are notified}

-- include: clock
-- include: bucket
-- include: alert_health

local ACCOUNT, BUCKET = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])

local now = server_time()
local account = redis.call('HMGET', ACCOUNT, 'state', 'probe_wait', 'throttled_until', 'told')
local before = account[1] or 'ok'
local after = before
local signal = args.signal

-- Add the order to the ids in a field, at most `enough`. Returns whether there are that many.
local function enough_orders(field, enough)
  local ids = cjson.decode(redis.call('HGET', ACCOUNT, field) or '[]')
  for _, id in ipairs(ids) do
    if id == args.order then return #ids >= enough end
  end
  if args.order and #ids < enough then
    ids[#ids + 1] = args.order
    redis.call('HSET', ACCOUNT, field, cjson.encode(ids))
  end
  return #ids >= enough
end

if args.user and before == 'unauthorized' and signal == 'answered' then return {before, before, 0} end
-- A refused order and a throttle are answers too: a provider that gives them is not down.
if signal == 'answered' or (before == 'down' and (signal == 'throttled' or signal == 'forbidden')) then after = 'ok' end
if signal == 'unauthorized' then
  after = 'unauthorized'
elseif signal == 'unavailable' then
  if redis.call('HINCRBY', ACCOUNT, 'failures', 1) >= args.outages and before == 'ok' then after = 'down' end
elseif signal == 'forbidden' then
  if enough_orders('refused', args.refusals) then after = 'unauthorized' end
elseif signal == 'malformed' then
  if enough_orders('unreadable', args.unreadable) and before == 'ok' then after = 'down' end
end
if signal ~= 'unavailable' and signal ~= 'malformed' then redis.call('HDEL', ACCOUNT, 'failures') end
if signal == 'answered' then
  redis.call('HDEL', ACCOUNT, 'unreadable', 'throttled_since', 'throttled_until', 'throttled_why')
  if not args.user then redis.call('HDEL', ACCOUNT, 'refused') end
  if account[3] then redis.call('HSET', ACCOUNT, 'since', now) end
end
if signal == 'throttled' then
  redis.call('HINCRBY', ACCOUNT, 'throttles', 1)
  -- A throttle lasts until a good answer, unless no request was made for longer than between two probes.
  if tonumber(account[3] or 0) + args.longest_probe < now then redis.call('HSET', ACCOUNT, 'throttled_since', now) end
  redis.call('HSET', ACCOUNT, 'throttled_until', math.max(tonumber(account[3] or 0), args.till),
    'throttled_why', args.why)
  bucket_block(bucket_load(BUCKET), now, args.till)
  if redis.call('EXISTS', BUCKET) == 1 then redis.call('HSET', BUCKET, 'throttled', now) end
end

local function probe_after(wait)
  redis.call('HSET', ACCOUNT, 'probe_wait', wait, 'probe_at', math.max(now + wait, args.till or 0))
end

if after == 'ok' and before ~= 'ok' then
  redis.call('HSET', ACCOUNT, 'state', 'ok', 'since', now)
  redis.call('HDEL', ACCOUNT, 'probe_at', 'probe_wait', 'probe', 'probes', 'why', 'hint_until')
elseif after ~= before then
  redis.call('HSET', ACCOUNT, 'state', after, 'since', now, 'why', args.why)
  redis.call('HDEL', ACCOUNT, 'probe', 'probes')
  probe_after(args.first_probe)
elseif after ~= 'ok' and args.probe then
  probe_after(math.min(tonumber(account[2] or args.first_probe) * 2, args.longest_probe))
end

-- An account whose outage ended with a 429 is healthy only after its first good answer.
local notify = (after ~= before and after ~= 'ok') or (signal == 'answered' and account[4])
if notify then alert_health({ACCOUNT, unpack(KEYS, 3)}, args.alert, after, now, args.why, now) end
return {before, after, notify and 1 or 0}
