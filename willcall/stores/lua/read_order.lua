-- Read one order at one instant.
-- KEYS     order, spec, tickets
-- Returns  {fields and values of the order, spec (JSON), tickets (JSON)}; what does not exist is empty or nil

local ORDER, SPEC, TICKETS = unpack(KEYS)

return {redis.call('HGETALL', ORDER), redis.call('GET', SPEC), redis.call('GET', TICKETS)}
