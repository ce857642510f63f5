-- How much waits for its time.
--
-- KEYS     waiting sets of queues
-- Returns  the server's time in milliseconds, then per queue: number of messages, when the next is due or -1.

local time = redis.call('TIME')
local answer = {time[1] * 1000 + math.floor(time[2] / 1000)}
for _, key in ipairs(KEYS) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  answer[#answer + 1] = redis.call('ZCARD', key)
  answer[#answer + 1] = tonumber(first[2] or -1)
end
return answer
