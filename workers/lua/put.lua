-- Puts a message at the end of its list and rings the queue's bell.
--
-- KEYS  list, bell, then every list of a queue that expires when it is not used
-- ARGV  message, milliseconds after which such a queue expires or 0
-- The bell is a list of at most one token: one BRPOP on it wakes one idle worker.

redis.call('LPUSH', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('LPUSH', KEYS[2], 1) end
if ARGV[2] ~= '0' then
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[2]) end
end
