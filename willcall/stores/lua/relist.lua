--!df flags=allow-undeclared-keys
-- List orders anew by their event and by their last change, where release 0.2.0 changed them: it knows no such lists.
-- KEYS     index (an account's orders of one status), order prefix
-- ARGS     offset (in the index), count, recent (ms: a change that is no older counts as one of now, so that whoever
--          follows the changes does not miss it), watched (ms for which a fulfilled order is watched without an event)
-- Returns  {how many were looked at, how many were listed anew}

-- include: clock
-- include: dated_lists

local INDEX, ORDERS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local relisted = 0
local ids = redis.call('ZRANGE', INDEX, args.offset, args.offset + args.count - 1)
for _, id in ipairs(ids) do
  local order = ORDERS .. id
  local fields = redis.call('HMGET', order, 'submitted', 'updated', 'finished', 'attention_at')
  if fields[1] then
    local changed = math.max(fields[1], fields[3] or 0, fields[4] or 0)
    if changed > tonumber(fields[2] or 0) then
      mark_updated(order, id, changed > now - args.recent and math.max(now, changed) or changed)
      relisted = relisted + 1
    end
    if not is_listed_by_event(order, id) then
      list_by_event(order, id)
      relisted = relisted + 1
    elseif watch_fulfilled(order, id, now - args.watched) then
      relisted = relisted + 1
    end
  end
end
return {#ids, relisted}
