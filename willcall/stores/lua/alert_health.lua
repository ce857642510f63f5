-- Defines alert_health(): notifies operators that the health of an account got better or worse.
--
-- keys = {account, due index, held index, and the four keys of `send_alert`}

-- include: alert

local function alert_health(keys, alert, health, since, why, now)
  local account = keys[1]
  local before = redis.call('HGET', account, 'told') or 'ok'
  local waiting = redis.call('ZCARD', keys[2]) + redis.call('ZCARD', keys[3])
  local data = cjson.encode({health = health, was = before, since = since, why = why, waiting = waiting})
  send_alert({keys[4], keys[5], keys[6], keys[7]}, alert, 'account.' .. health, data, now)
  if health == 'ok' then redis.call('HDEL', account, 'told') else redis.call('HSET', account, 'told', health) end
end
