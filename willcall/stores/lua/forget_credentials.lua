-- Defines forget_credentials(): the credentials of an order's own user are no longer needed. `bound` stays, so that the
-- order is never polled with the account's credentials instead.

local function forget_credentials(order, credentials, index, id)
  redis.call('DEL', credentials)
  redis.call('ZREM', index, id)
  redis.call('HSET', order, 'bound', 0)
end
