-- Record a heartbeat of a process, and which processes have disappeared without ending.
--
-- Example: a worker is killed. A minute later it is forgotten, and is in `lost`. If another worker has started since, or
-- starts later, that one replaces it. A process that ends by itself is removed, and is never lost.
--
-- KEYS     processes, process, last heartbeats, state, reload, lost
-- ARGS     kind, name, detail (JSON), configuration (JSON), forgotten_after (ms), identity (for a state that has none)
-- Returns  {the identity of the state: it differs from the one before if Redis was emptied or replaced,
--           when a reload was last requested (ms, 0 = never), how long ago that is (ms), and where}

-- include: clock

local PROCESSES, PROCESS, LAST_HEARTBEATS, STATE, RELOAD, LOST = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local member = args.kind .. ':' .. args.name
local function kind_of(other) return string.match(other, '^[^:]+') end

redis.call('HSETNX', PROCESS, 'since', now)
redis.call('HSET', PROCESS, 'detail', args.detail, 'configuration', args.configuration)
redis.call('PEXPIRE', PROCESS, args.forgotten_after)
redis.call('ZADD', PROCESSES, now, member)
redis.call('ZREM', LOST, member)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', PROCESSES, '-inf', now - args.forgotten_after)) do
  redis.call('ZADD', LOST, redis.call('ZSCORE', PROCESSES, gone), gone)
  redis.call('ZREM', PROCESSES, gone)
end
redis.call('ZREMRANGEBYSCORE', LOST, '-inf', now - args.lost_kept)
-- Each process replaces one lost process of its kind that was last seen before it started.
local since, replaces = unpack(redis.call('HMGET', PROCESS, 'since', 'replaces'))
if not replaces then
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', LOST, '-inf', since)) do
    if kind_of(gone) == args.kind then
      redis.call('HSET', PROCESS, 'replaces', gone)
      redis.call('ZREM', LOST, gone)
      break
    end
  end
end
redis.call('HSET', LAST_HEARTBEATS, args.kind, cjson.encode({now, args.name}))
redis.call('HSETNX', STATE, 'id', args.identity)
local reload = redis.call('HMGET', RELOAD, 'at', 'by')
local requested = tonumber(reload[1] or 0)
return {redis.call('HGET', STATE, 'id'), requested, now - requested, reload[2] or ''}
