-- Append an entry to an order's timeline. An entry that only repeats the newest one replaces it, so that somebody who
-- does the same again and again leaves one line and pushes none out.
-- KEYS     order, timeline
-- ARGS     entry (JSON, see stores/codec.py), most (entries that are kept)
-- Returns  1, or 0 if there is no such order

local ORDER, TIMELINE = unpack(KEYS)
local args = cjson.decode(ARGV[1])

if redis.call('EXISTS', ORDER) == 0 then return 0 end
local newest = redis.call('LINDEX', TIMELINE, 0)
local repeated = false
if newest then
  local before, after = cjson.decode(newest), cjson.decode(args.entry)
  repeated = before[2] == after[2] and before[5] == after[5]
end
if repeated then
  redis.call('LSET', TIMELINE, 0, args.entry)
else
  redis.call('LPUSH', TIMELINE, args.entry)
  redis.call('LTRIM', TIMELINE, 0, args.most - 1)
end
return 1
