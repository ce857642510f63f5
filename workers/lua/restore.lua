--!df flags=allow-undeclared-keys
-- Returns claimed messages to their lists, marked as redelivered. Skips claims that no longer exist.
-- A message starts with one `!` for each time that a worker did not finish it in time, and with at least one.
--
-- KEYS     claims (hash: tag -> list and message), claims index (sorted set)
-- ARGS     tags
--          command: RPUSH to serve them next, LPUSH to serve them last
--          unfinished: whether their worker did not finish them in time
-- Returns  the number of messages that were returned

local CLAIMS, INDEX = unpack(KEYS)
local args = cjson.decode(ARGV[1])
local restored = 0
for _, tag in ipairs(args.tags) do
  local claim = redis.call('HGET', CLAIMS, tag)
  if claim then
    local list, message = cmsgpack.unpack(claim)
    if args.unfinished or string.sub(message, 1, 1) ~= '!' then message = '!' .. message end
    redis.call(args.command, list, message)
    redis.call('HDEL', CLAIMS, tag)
    restored = restored + 1
  end
  redis.call('ZREM', INDEX, tag)
end
return restored
