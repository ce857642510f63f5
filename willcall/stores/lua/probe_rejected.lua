-- Make a probe due now, if the provider rejects our key: it was replaced. The intervals between probes start again.
-- KEYS     account
-- Returns  1 if a probe is due, 0 if the account is not stopped for that reason

-- include: clock

local ACCOUNT = KEYS[1]

if redis.call('HGET', ACCOUNT, 'state') ~= 'unauthorized' then return 0 end
redis.call('HSET', ACCOUNT, 'probe_at', server_time())
redis.call('HDEL', ACCOUNT, 'probe_wait')
return 1
