-- Appends a message to its list and wakes an idle worker.
--
-- KEYS     list, wakeup, then every list of a queue that expires when it is unused
-- ARGS     expires: milliseconds after which such a queue expires; absent for others
-- PAYLOAD  message
--
-- The wakeup is a list of at most one token: one BRPOP on it wakes one worker.

local LIST, WAKEUP = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[1])
redis.call('LPUSH', LIST, ARGV[2])
if redis.call('EXISTS', WAKEUP) == 0 then redis.call('LPUSH', WAKEUP, 1) end
if args.expires then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, args.expires) end
end
