--!df flags=allow-undeclared-keys
-- Remove final orders whose retention is over, a bounded number at a time. It counts from the end of the order, or from
-- its event if that is later. An order whose backend is still to be notified is stored for another retention period.
-- KEYS     final index, attention indexes, late checks, deliveries due, orphaned documents, operator deliveries due,
--          operator deliveries pending, changes
-- ARGS     before (ms: what counts from an earlier moment is removed), own = {account: the same for its orders},
--          latest (the latest of all these), offset (in the final index), count, prefix (of all keys)
-- Returns  {how many were looked at, how many of them are no longer at this place, how many were removed}

-- include: clock
-- include: attention
-- include: ticket_owners
-- include: unlink_reference

local FINAL, ATTENTION, LATE_CHECKS, DELIVERIES_DUE, ORPHANED_DOCUMENTS, OPERATOR_DUE, OPERATOR_PENDING,
  CHANGES = unpack(KEYS)
local args = cjson.decode(ARGV[1])
local prefix = args.prefix

local function remove_from_indexes(id, order_key, account, status, client, sharing)
  local spec = redis.call('GET', prefix .. 'spec:' .. id)
  local readable, decoded = pcall(cjson.decode, spec or '{}')
  local reference = readable and type(decoded) == 'table' and decoded.reference
  unlink_reference(prefix, account, reference, sharing, id)
  redis.call('ZREM', prefix .. 'index:' .. account .. ':' .. status, id)
  if client then redis.call('ZREM', prefix .. 'index:' .. client .. ':' .. account .. ':' .. status, id) end
  redis.call('ZREM', prefix .. 'due:' .. account, id)
  redis.call('ZREM', prefix .. 'held:' .. account, id)
  set_attention(order_key, ATTENTION, id, '', server_time())
  unlist(order_key, id)
  local group = readable and type(decoded) == 'table' and decoded.group
  if group then
    redis.call('ZREM', prefix .. 'group:' .. group, id)
    if client then redis.call('ZREM', prefix .. 'client:' .. client .. ':group:' .. group, id) end
  end
  own_tickets({owners = prefix .. 'owners:' .. account, owned = prefix .. 'owned:' .. id, tickets = {}}, id)
end

local function remove(id)
  local key = prefix .. 'order:' .. id
  local order = redis.call('HMGET', key, 'provider', 'account', 'status', 'client', 'sharing')
  if order[1] then remove_from_indexes(id, key, order[1] .. '/' .. order[2], order[3], order[4], order[5]) end
  for _, document in ipairs(redis.call('HVALS', prefix .. 'documents:' .. id)) do
    redis.call('SADD', ORPHANED_DOCUMENTS, document)
  end
  redis.call('DEL', key)
  for _, kind in ipairs({'spec', 'tickets', 'attempts', 'fetch', 'documents', 'delivery', 'deliveries', 'credentials',
    'report'}) do
    redis.call('DEL', prefix .. kind .. ':' .. id)
  end
  for _, kind in ipairs({'delivery', 'deliveries'}) do
    redis.call('DEL', prefix .. 'ops:' .. kind .. ':order:' .. id)
  end
  redis.call('ZREM', OPERATOR_DUE, 'order:' .. id)
  redis.call('ZREM', OPERATOR_PENDING, 'order:' .. id)
  redis.call('ZREM', FINAL, id)
  for _, index in ipairs({'credentials', 'reports', 'reports_pending'}) do redis.call('ZREM', prefix .. index, id) end
  redis.call('ZREM', LATE_CHECKS, id)
  redis.call('ZREM', CHANGES, id)
end

-- Return from when the retention of an order counts, and before which moment that must be.
local function retention_of(id, ended)
  local found = redis.call('HMGET', prefix .. 'order:' .. id, 'provider', 'account', 'event')
  local own = found[1] and args.own[found[1] .. '/' .. found[2]]
  return math.max(ended, tonumber(found[3] or 0)), own or args.before
end

local ended = redis.call('ZRANGEBYSCORE', FINAL, '-inf', '(' .. args.latest, 'WITHSCORES', 'LIMIT', args.offset, args.count)
local gone, removed = 0, 0
for i = 1, #ended, 2 do
  local id, score = ended[i], tonumber(ended[i + 1])
  local since, before = retention_of(id, score)
  if since < before and not redis.call('ZSCORE', DELIVERIES_DUE, id) then
    remove(id)
    removed = removed + 1
  elseif since < before then
    redis.call('ZADD', FINAL, server_time(), id)
  elseif since > score then
    -- Release 0.2.0 ended it, or its event was changed.
    redis.call('ZADD', FINAL, since, id)
  else
    gone = gone - 1
  end
  gone = gone + 1
end
return {#ended / 2, gone, removed}
