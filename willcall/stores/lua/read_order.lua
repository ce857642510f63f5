-- Reads one order as it stands.
-- KEYS  1 order  2 spec  3 tickets
-- Returns {fields and values of the order, spec (JSON), tickets (JSON)}; what is not there is empty or nil
return {redis.call('HGETALL', KEYS[1]), redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])}
