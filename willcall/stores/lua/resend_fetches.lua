-- Finds overdue fetches whose alarm clock is lost, to be sent again.
-- KEYS  1 fetches index  2 fetch (its key without the id)
-- ARGV  1-3 see resend.lua
-- Returns {how many were looked at, id, id, ...}

-- include: resend

return resend({KEYS[1]}, KEYS[2], nil, {})
