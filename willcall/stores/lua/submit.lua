--!df flags=allow-undeclared-keys
-- Accept one order, once.
--
-- Two open orders of one reference are a mistake, unless the caller says otherwise or the reference stands for everything
-- that a user bought. Then they share a minimum interval: all of them are in the set of `sharing`, and know its digest.
-- The index of references has the order that was submitted last, also by the release before, which allowed duplicates.
--
-- KEYS     order, spec, due index, index of pending orders, references, accounts, submission counter, pushes stored for
--          the reference, schema, changes, credentials, index of orders with credentials; for a client's order also the
--          client's index of pending orders, accounts and submission counter, and the clients
-- ARGS     id, account (key), group (key of its list, nil = none), client_group (the same of the client), digest (of
--          what was submitted), spec (JSON), reference, not_before (ms, nil = at once),
--          event (ms, when the customer goes in, nil = unknown), ceiling (ms until the deadline), provider, account_name,
--          client (nil = none), nonce (of this call: a caller that lost the reply repeats it with the same nonce),
--          call_ends (ms after which another call has ended for sure), schema = fields of the record that is written
--          with the first order (see stores/schema.py),
--          orders and sharing (prefixes of keys), digest_of_reference (with the credentials, if the reference is a
--          `user_list`), allow_duplicate, credentials (JSON, nil = the account's)
-- Returns  {outcome, due (ms) of the first message ('' = send none), now, 1 if pushes are stored for the order}, where the
--          outcome is 'new', 'same', 'conflict' or 'erased'; or {'duplicate', '', now, 0, id of another open order of the
--          reference, its client ('' = none)}

-- include: clock
-- include: dated_lists

local ORDER, SPEC, DUE, PENDING, REFERENCES, ACCOUNTS, SUBMISSIONS, PUSHES, SCHEMA, CHANGES, CREDENTIALS,
  CREDENTIALS_INDEX, CLIENT_PENDING, CLIENT_ACCOUNTS, CLIENT_SUBMISSIONS, CLIENTS = unpack(KEYS)
local args = cjson.decode(ARGV[1])

local now = server_time()
local pushes = redis.call('EXISTS', PUSHES)
local due = math.max(now, args.not_before or now)
local digest, nonce, submitted, amended, erased = unpack(redis.call('HMGET', ORDER, 'digest', 'nonce', 'submitted',
  'amended', 'erased'))
if digest then
  if erased then return {'erased', '', now, pushes} end
  -- The content is the same as it was submitted, or as it is since it was amended.
  if digest ~= args.digest and amended ~= args.digest then return {'conflict', '', now, pushes} end
  if not nonce then return {'same', '', now, pushes} end
  -- The nonce is deleted when the first message was sent, so perhaps it was not. Of two copies only one acts.
  local own = nonce == args.nonce or now - tonumber(submitted) >= args.call_ends
  return {own and 'new' or 'same', due, now, pushes}
end

local sharers = args.sharing .. args.digest_of_reference
local function read_open(id)
  local order = redis.call('HMGET', args.orders .. id, 'status', 'client', 'sharing')
  return (order[1] == 'pending' or order[1] == 'partial') and {id = id, client = order[2], sharing = order[3]} or nil
end
local function share(id)
  redis.call('SADD', sharers, id)
  redis.call('HSET', args.orders .. id, 'sharing', args.digest_of_reference)
end

local last = redis.call('HGET', REFERENCES, args.reference)
local twin = last and read_open(last)
if args.user_list then
  -- An order without credentials whose release did not know of sharing is of the account's own user.
  if twin and not twin.sharing and not args.credentials then share(twin.id) end
else
  for _, id in ipairs(twin and {} or redis.call('SMEMBERS', sharers)) do twin = twin or read_open(id) end
  if twin and not args.allow_duplicate then return {'duplicate', '', now, 0, twin.id, twin.client or ''} end
  if twin then share(twin.id) end
end
local number = redis.call('INCR', SUBMISSIONS)
if number == 1 then
  for name, value in pairs(args.schema) do redis.call('HSETNX', SCHEMA, name, value) end
end
redis.call('SET', SPEC, args.spec)
redis.call('HSET', ORDER, 'provider', args.provider, 'account', args.account_name, 'status', 'pending', 'seq', 1,
  'ask', 1, 'due', due, 'deadline', due + args.ceiling, 'submitted', now, 'number', number, 'digest', args.digest,
  'nonce', args.nonce)
if args.not_before then redis.call('HSET', ORDER, 'not_before', args.not_before) end
if args.event then
  redis.call('HSET', ORDER, 'event', args.event)
  redis.call('ZADD', CHANGES, now, args.id)
end
if args.user_list or twin then share(args.id) end
if args.credentials then
  redis.call('SET', CREDENTIALS, args.credentials)
  redis.call('HSET', ORDER, 'bound', 1)
  redis.call('ZADD', CREDENTIALS_INDEX, due + args.ceiling, args.id)
end
redis.call('ZADD', DUE, due, args.id)
redis.call('ZADD', PENDING, number, args.id)
redis.call('HSET', REFERENCES, args.reference, args.id)
redis.call('SADD', ACCOUNTS, args.account)
if args.client then
  local client_number = redis.call('INCR', CLIENT_SUBMISSIONS)
  redis.call('HSET', ORDER, 'client', args.client, 'client_number', client_number)
  redis.call('ZADD', CLIENT_PENDING, client_number, args.id)
  redis.call('SADD', CLIENT_ACCOUNTS, args.account)
  redis.call('SADD', CLIENTS, args.client)
  if args.group then redis.call('ZADD', args.client_group, client_number, args.id) end
end
if args.group then redis.call('ZADD', args.group, number, args.id) end
mark_updated(ORDER, args.id, now)
list_by_event(ORDER, args.id)
return {'new', due, now, pushes}
