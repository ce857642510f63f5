-- Take a token for a request other than a poll: for a document, or for a list. It books slots as polls do.
-- KEYS     account, token bucket, ordinary lane, express lane, late lane
-- ARGS     booking (its name), rate (see bucket.lua), express (whether it may use the express share), bound (whether the
--          request has credentials of its own user, so that it does not matter that those of the account are rejected)
-- Returns  {now, 'go', when it may be sent (ms)}, {now, 'wait', when to ask again (ms)}, or {now, 'held'}: the account
--          is stopped or paused, and nothing is booked

-- include: clock
-- include: bucket

local ACCOUNT, BUCKET, ORDINARY, EXPRESS, LATE = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local account = redis.call('HMGET', ACCOUNT, 'state', 'paused_until', 'throttled_until')
local state = account[1] or 'ok'
if state == 'unauthorized' and args.bound then state = 'ok' end
if state ~= 'ok' or tonumber(account[2] or 0) > now then return {now, 'held'} end
local bucket = bucket_load(BUCKET, {ordinary = ORDINARY, express = EXPRESS, late = LATE}, args.booking)
bucket_block(bucket, now, tonumber(account[3] or 0))
local request = {express = args.express}
for _, lane in ipairs({'ordinary', 'late', 'express'}) do
  local slot = redis.call('ZSCORE', bucket.lanes[lane], args.booking)
  if slot then request.slot, request.lane = tonumber(slot), lane end
end
local result = bucket_take(bucket, bucket_rate(args.rate), now, request, math.huge)
if result.at then return {now, 'go', string.format('%.3f', result.at)} end
return {now, 'wait', math.ceil(result.slot) - result.early}
