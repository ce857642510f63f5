-- Counts the delayed messages of queues.
--
-- KEYS     delayed messages, per queue
-- Returns  the server's time in milliseconds, then per queue: number of messages, when the next one is due or -1

local time = redis.call('TIME')
local result = {time[1] * 1000 + math.floor(time[2] / 1000)}
for _, key in ipairs(KEYS) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  result[#result + 1] = redis.call('ZCARD', key)
  result[#result + 1] = tonumber(first[2] or -1)
end
return result
