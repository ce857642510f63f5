--!df flags=allow-undeclared-keys
-- Find overdue deliveries whose scheduled message was lost, to send it again. The copy has the delivery's current
-- number: whichever message comes first acts and makes the other stale.
-- KEYS     deliveries due, deliveries pending, delivery prefix, progress of the deliveries
-- ARGS     grace (ms overdue), offset, count
-- Returns  {how many were looked at, subject, event id, number, host, subject, event id, ...}

-- include: resend

local DUE, PENDING, DELIVERIES, PROGRESS = unpack(KEYS)

return resend({DUE, PENDING}, DELIVERIES, PROGRESS, {'event', 'number', 'host'}, cjson.decode(ARGV[1]))
