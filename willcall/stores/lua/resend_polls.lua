-- Finds overdue orders whose alarm clock is lost, to be sent again. A copy has the sequence number that the order has:
-- whichever comes first acts, and makes the others stale.
-- KEYS  1 due index  2 order (its key without the id)  3 progress of the provider's queue
-- ARGV  1-3 see resend.lua
-- Returns {how many were looked at, id, seq, id, seq, ...}

-- include: resend

return resend({KEYS[1]}, KEYS[2], KEYS[3], {'seq'})
