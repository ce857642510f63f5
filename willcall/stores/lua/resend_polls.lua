--!df flags=allow-undeclared-keys
-- Find overdue orders whose scheduled message was lost, to send it again. The copy has the order's current seq:
-- whichever message comes first acts and makes the other stale.
-- KEYS     due index, order prefix, progress of the provider's queue
-- ARGS     grace (ms overdue), offset, count
-- Returns  {how many were looked at, id, seq, id, seq, ...}

-- include: resend

local DUE, ORDERS, PROGRESS = unpack(KEYS)

return resend({DUE}, ORDERS, PROGRESS, {'seq'}, cjson.decode(ARGV[1]))
