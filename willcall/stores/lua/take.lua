-- A token for a request that is about no single order (a list): now or not at all.
-- KEYS  1 account  2 token bucket
-- ARGV  1-4 rate (see bucket.lua)
-- Returns 1 where it may be sent

-- include: now
-- include: bucket

local now = milliseconds()
local account = redis.call('HMGET', KEYS[1], 'state', 'paused_until')
if (account[1] or 'ok') ~= 'ok' or tonumber(account[2] or 0) > now then return 0 end
local bucket, rate = bucket_load(KEYS[2]), bucket_rate(ARGV, 1)
if now < bucket.blocked or now < bucket.next - rate.booked or now < bucket.tat - rate.sent then return 0 end
bucket.next = math.max(bucket.next, now) + rate.interval
bucket_send(bucket, rate, now)
return 1
