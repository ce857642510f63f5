-- Record a heartbeat of a process.
-- KEYS     processes, process, last heartbeats, state, reload
-- ARGS     kind, name, detail (JSON), configuration (JSON), forgotten_after (ms), identity (for a state that has none)
-- Returns  {the identity of the state: it differs from the one before if Redis was emptied or replaced,
--           when a reload was last requested (ms, 0 = never), how long ago that is (ms), and where}

-- include: clock

local PROCESSES, PROCESS, LAST_HEARTBEATS, STATE, RELOAD = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
redis.call('HSETNX', PROCESS, 'since', now)
redis.call('HSET', PROCESS, 'detail', args.detail, 'configuration', args.configuration)
redis.call('PEXPIRE', PROCESS, args.forgotten_after)
redis.call('ZADD', PROCESSES, now, args.kind .. ':' .. args.name)
redis.call('ZREMRANGEBYSCORE', PROCESSES, '-inf', now - args.forgotten_after)
redis.call('HSET', LAST_HEARTBEATS, args.kind, cjson.encode({now, args.name}))
redis.call('HSETNX', STATE, 'id', args.identity)
local reload = redis.call('HMGET', RELOAD, 'at', 'by')
local requested = tonumber(reload[1] or 0)
return {redis.call('HGET', STATE, 'id'), requested, now - requested, reload[2] or ''}
