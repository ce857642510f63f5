--!df flags=allow-undeclared-keys
-- Forget an order that has ended, but for its id, times and outcomes. All of it at once, so that no worker and no other
-- process sees, or writes, a part of it: whoever read the order before finds another seq, and no claim of his own.
--
-- Its files outlive this call. They are listed in `erased_files` and removed by the caller, and once more by a sweep at
-- `sweep_at`: a worker that was storing one at this moment may finish later.
--
-- KEYS     final index, attention indexes, events, erased events, erased references, erased orders
-- ARGS     id, prefix (of all keys), seq and events (what the caller has read; see below), at (ms), sweep_in (ms),
--          reference, mark (keyed hash of the reference), place (member of the inbox), entry (JSON, for the timeline),
--          emptied = {{cursor, JSON of the event without its content}, ...} of the order's events,
--          owned = {ticket: its keyed hash, ...} (see ticket_owners.lua), spare (documents of the account with the
--          content of the order's), groups (keys of the lists of its group), kept = {name: true} fields of the order that stay
-- Returns  'erased'; 'changed': the order is not as the caller read it; 'gone': there is no such order

-- include: clock
-- include: attention
-- include: unlink_reference

local FINAL, ATTENTION, EVENTS, ERASED_EVENTS, ERASED_REFERENCES, ERASED = unpack(KEYS)
local args = cjson.decode(ARGV[1])
local prefix, id = args.prefix, args.id
local ORDER = prefix .. 'order:' .. id

local order = redis.call('HMGET', ORDER, 'seq', 'provider', 'account', 'events', 'sharing', 'erased')
if not order[1] then return 'gone' end
if tonumber(order[1]) ~= args.seq or (order[4] or '') ~= args.events then return 'changed' end
local now = server_time()
local account = order[2] .. '/' .. order[3]

-- The texts of a timeline may quote the provider, a person or an address. What happened, and when, stays.
local function empty_texts(list)
  for i, line in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local entry = cjson.decode(line)
    entry[5] = ''
    redis.call('LSET', list, i - 1, cjson.encode(entry))
  end
end

local function forget_files()
  local files = prefix .. 'erased_files:' .. id
  local function forget(document)
    redis.call('SADD', files, document .. ' ' .. (redis.call('HGET', prefix .. 'document:' .. document, 'type') or ''))
    redis.call('DEL', prefix .. 'document:' .. document)
  end
  for _, document in ipairs(redis.call('HVALS', prefix .. 'documents:' .. id)) do forget(document) end
  for digest, document in pairs(args.spare) do
    redis.call('HDEL', prefix .. 'documents:' .. account, digest)
    redis.call('ZREM', prefix .. 'unclaimed', document)
    forget(document)
  end
  redis.call('ZADD', ERASED, now + args.sweep_in, id)
end

-- Entries of a stream cannot be changed. These are removed, and read from a sorted set at the same place.
local function empty_events()
  for _, event in ipairs(args.emptied) do
    local cursor, text = event[1], event[2]
    redis.call('XDEL', EVENTS, cursor)
    redis.call('ZADD', ERASED_EVENTS, string.match(cursor, '^%d+'), text)
  end
end

local function forget_alerts()
  local subject = 'order:' .. id
  for _, entry in ipairs(redis.call('XRANGE', prefix .. 'ops:events', '-', '+')) do
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'subject' and entry[2][i + 1] == subject then
        redis.call('XDEL', prefix .. 'ops:events', entry[1])
      end
    end
  end
  redis.call('DEL', prefix .. 'ops:delivery:' .. subject, prefix .. 'ops:deliveries:' .. subject)
  redis.call('ZREM', prefix .. 'ops:undelivered', subject)
  redis.call('ZREM', prefix .. 'ops:pending', subject)
end

-- The order keeps its tickets by their keyed hashes, so that no other order of the same user gets them.
local function hash_owned()
  local owners, owned = prefix .. 'owners:' .. account, prefix .. 'owned:' .. id
  for ticket, mark in pairs(args.owned) do
    if redis.call('HGET', owners, ticket) == id then
      redis.call('HDEL', owners, ticket)
      redis.call('HSET', owners, mark, id)
    end
    redis.call('SREM', owned, ticket)
    redis.call('SADD', owned, mark)
  end
end

forget_files()
empty_events()
forget_alerts()
hash_owned()
unlink_reference(prefix, account, args.reference, order[5], id)
set_attention(ORDER, ATTENTION, id, '', now)
for _, kind in ipairs({'attempts', 'deliveries'}) do empty_texts(prefix .. kind .. ':' .. id) end
redis.call('LPUSH', prefix .. 'attempts:' .. id, args.entry)
local came_back = redis.call('HGET', prefix .. 'checkout:' .. id, 'return')
if came_back then redis.call('DEL', came_back) end
for _, kind in ipairs({'spec', 'tickets', 'fetch', 'documents', 'delivery', 'credentials', 'report', 'checkout'}) do
  redis.call('DEL', prefix .. kind .. ':' .. id)
end
for _, index in ipairs({'checkouts', 'credentials', 'changes', 'late', 'fetches', 'lacking', 'documents-given-up', 'undelivered', 'pending',
  'reports', 'reports_pending',   'due:' .. account, 'held:' .. account, 'watched:' .. account}) do
  redis.call('ZREM', prefix .. index, id)
end
for _, group in ipairs(args.groups) do redis.call('ZREM', group, id) end
redis.call('SREM', prefix .. 'throttled:' .. account, id)
redis.call('DEL', prefix .. 'inbox:' .. account .. ':' .. args.reference)
redis.call('ZREM', prefix .. 'inbox', args.place)
redis.call('ZADD', ERASED_REFERENCES, now, args.mark)
for _, sweep in ipairs({'reconcile', 'inbox'}) do
  redis.call('HDEL', prefix .. 'sweep:' .. sweep .. ':failing', account .. ' ' .. args.reference, args.place)
end
if redis.call('HGET', prefix .. 'sweeps:positions', 'inbox') == args.place then
  redis.call('HDEL', prefix .. 'sweeps:positions', 'inbox')
end
for _, field in ipairs(redis.call('HKEYS', ORDER)) do
  if not args.kept[field] then redis.call('HDEL', ORDER, field) end
end
-- No content has this digest, so the id cannot be submitted again.
redis.call('HSET', ORDER, 'seq', args.seq + 1, 'digest', 'erased', 'erased', now)
mark_updated(ORDER, id, now)
return 'erased'
