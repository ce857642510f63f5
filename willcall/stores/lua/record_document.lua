--!df flags=allow-undeclared-keys
-- Record a document, once per owner and content.
-- KEYS     documents of the owner, document prefix, unclaimed documents, order (if that is the owner)
-- ARGS     id (for a new document), owner, sha256, size, type (content type), of_account (whether the owner is an
--          account), warning (what is damaged, nil if nothing is)
-- Returns  {id, 1 if it is new, content type, warning ('' if none)}, the latter two as recorded first; an empty id if
--          the order was erased

-- include: clock

local DOCUMENTS, DOCUMENT, UNCLAIMED, ORDER = unpack(KEYS)
local args = cjson.decode(ARGV[1])

if redis.call('HEXISTS', ORDER, 'erased') == 1 then return {'', 0, '', ''} end
local known = redis.call('HGET', DOCUMENTS, args.sha256)
if known then
  local document = redis.call('HMGET', DOCUMENT .. known, 'type', 'doubt')
  if document[1] then return {known, 0, document[1], document[2] or ''} end
end
local id = known or args.id
redis.call('HSET', DOCUMENTS, args.sha256, id)
redis.call('HSET', DOCUMENT .. id, 'owner', args.owner, 'sha256', args.sha256, 'size', args.size, 'type', args.type)
if args.warning then redis.call('HSET', DOCUMENT .. id, 'doubt', args.warning) end
if args.of_account then redis.call('ZADD', UNCLAIMED, server_time(), id) end
return {id, 1, args.type, args.warning or ''}
