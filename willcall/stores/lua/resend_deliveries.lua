-- Finds overdue deliveries whose alarm clock is lost, to be sent again. A copy has the number that the delivery has:
-- whichever comes first acts, and makes the others stale.
-- KEYS  1 undelivered index  2 untold index  3 delivery (its key without the subject)  4 notifier
-- ARGV  1-3 see resend.lua
-- Returns {how many were looked at, subject, event id, number, host, subject, event id, ...}

-- include: resend

return resend({KEYS[1], KEYS[2]}, KEYS[3], KEYS[4], {'event', 'number', 'host'})
