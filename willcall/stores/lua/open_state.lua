-- Check that a release can read the state, before it reads or writes anything else (see stores/schema.py).
-- KEYS     schema, submission counter
-- ARGS     number (of the release's schema), oldest (number that it reads), readable_by (the least number that reads
--          what it writes), record (whether to write that this release works on the state)
-- Returns  {'ok', 'newer', 'older' or 'unversioned', number of the state, the least number that reads it}

local SCHEMA, SUBMISSIONS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local found = redis.call('HMGET', SCHEMA, 'number', 'readable_by')
local number, readable_by = tonumber(found[1]), tonumber(found[2])
if not number and redis.call('EXISTS', SUBMISSIONS) == 1 then return {'unversioned', 0, 0} end
if number and readable_by > args.number then return {'newer', number, readable_by} end
if number and number < args.oldest then return {'older', number, readable_by} end
number, readable_by = math.max(number or 0, args.number), math.max(readable_by or 0, args.readable_by)
if args.record then redis.call('HSET', SCHEMA, 'number', number, 'readable_by', readable_by) end
return {'ok', number, readable_by}
