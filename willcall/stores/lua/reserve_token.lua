-- A token for a request that is no attempt of an order: for a document, or for a list. It books like an attempt.
-- KEYS  1 account  2 token bucket  3-5 bookings: ordinary, express, late (see bucket.lua)
-- ARGV  1 booking  2-5 rate (see bucket.lua)
-- Returns {now, 'go', when it may be sent (ms)} or {now, 'wait', when to ask again (ms)}; or {now, 'held'}: the account
--   is parked or paused, and nothing is booked

-- include: clock
-- include: bucket

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'state', 'paused_until')
if (account[1] or 'ok') ~= 'ok' or tonumber(account[2] or 0) > now then return {now, 'held'} end
local rate = bucket_rate(ARGV, 2)
local bucket = bucket_load(KEYS[2], {ordinary = KEYS[3], express = KEYS[4], late = KEYS[5]}, ARGV[1])
local request = {}
for _, line in ipairs({'ordinary', 'late'}) do
  local slot = redis.call('ZSCORE', bucket.lines[line], ARGV[1])
  if slot then request = {slot = tonumber(slot), line = line} end
end
local result = bucket_take(bucket, rate, now, request, math.huge)
if result.at then return {now, 'go', string.format('%.3f', result.at)} end
return {now, 'wait', math.ceil(result.slot) - result.early}
