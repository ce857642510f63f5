-- The server's clock in whole milliseconds: one clock for all workers, whatever theirs say.
local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
