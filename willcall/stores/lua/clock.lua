-- Defines server_time(): milliseconds since the epoch by the Redis server's clock, the one clock of all workers.

local function server_time()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
