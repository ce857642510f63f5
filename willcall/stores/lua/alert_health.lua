-- An account's health changed for better or worse, and operators are told of it.
-- KEYS  1 account  3 due index  4 held index  5-8 as `alert` has them
-- ARGV  from `argument` on as `alert` has them

-- include: alert

local function health_changed(argument, health, since, why, now)
  local was = redis.call('HGET', KEYS[1], 'told') or 'ok'
  local waiting = redis.call('ZCARD', KEYS[3]) + redis.call('ZCARD', KEYS[4])
  alert(5, argument, 'account.' .. health,
    cjson.encode({health = health, was = was, since = since, why = why, waiting = waiting}), now)
  if health == 'ok' then redis.call('HDEL', KEYS[1], 'told') else redis.call('HSET', KEYS[1], 'told', health) end
end
