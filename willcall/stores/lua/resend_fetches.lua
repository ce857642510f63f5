--!df flags=allow-undeclared-keys
-- Find overdue fetches of documents whose scheduled message was lost, to send it again.
-- KEYS     fetches due, fetch prefix
-- ARGS     grace (ms overdue), offset, count
-- Returns  {how many were looked at, id, id, ...}

-- include: resend

local DUE, FETCHES = unpack(KEYS)

return resend({DUE}, FETCHES, nil, {}, cjson.decode(ARGV[1]))
