-- Record a heartbeat of a process.
-- KEYS     processes, process, last heartbeats, state
-- ARGS     kind, name, detail (JSON), forgotten_after (ms), identity (for a state that has none)
-- Returns  the identity of the state: it differs from the one before if Redis was emptied or replaced

-- include: clock

local PROCESSES, PROCESS, LAST_HEARTBEATS, STATE = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
redis.call('HSETNX', PROCESS, 'since', now)
redis.call('HSET', PROCESS, 'detail', args.detail)
redis.call('PEXPIRE', PROCESS, args.forgotten_after)
redis.call('ZADD', PROCESSES, now, args.kind .. ':' .. args.name)
redis.call('ZREMRANGEBYSCORE', PROCESSES, '-inf', now - args.forgotten_after)
redis.call('HSET', LAST_HEARTBEATS, args.kind, cjson.encode({now, args.name}))
redis.call('HSETNX', STATE, 'id', args.identity)
return redis.call('HGET', STATE, 'id')
