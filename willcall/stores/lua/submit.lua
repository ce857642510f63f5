--!df flags=allow-undeclared-keys
-- Accept one order, once.
--
-- Two open orders of one reference are a mistake, unless the caller says otherwise or the reference stands for everything
-- that a user bought. Then they share a minimum interval: all of them are in the set of `sharing`, and know its digest.
-- A hint that the provider gave to the other one, or to a look at the reference, holds for the new order too.
-- The index of references has the order that was submitted last, also by the release before, which allowed duplicates.
--
-- KEYS     order, spec, due index, index of pending orders, references, accounts, submission counter, pushes stored for
--          the reference, schema, changes, credentials, index of orders with credentials, lookup of the reference,
--          throttled orders; for a client's order also the client's index of pending orders, accounts and submission
--          counter, and the clients
-- ARGS     id, account (key), group (key of its list, nil = none), client_group (the same of the client), digest (of
--          what was submitted), spec (JSON), reference, not_before (ms, nil = at once),
--          event (ms, when the customer goes in, nil = unknown), ceiling (ms until the deadline), provider, account_name,
--          client (nil = none), nonce (of this call: a caller that lost the reply repeats it with the same nonce),
--          call_ends (ms after which another call has ended for sure), schema = fields of the record that is written
--          with the first order (see stores/schema.py),
--          orders, sharing and shared_interval (prefixes of keys), across_accounts (whether the reference may have orders
--          of other accounts, which share the interval), minimum (ms between two requests),
--          digest_of_reference (with the credentials, if the reference is a `user_list`), allow_duplicate, credentials
--          (JSON, nil = the account's)
-- Returns  {outcome, due (ms) of the first message ('' = send none), now, 1 if pushes are stored for the order}, where the
--          outcome is 'new', 'same', 'conflict' or 'erased'; or {'duplicate', '', now, 0, id of another open order of the
--          reference, its client ('' = none)}

-- include: clock
-- include: dated_lists

local ORDER, SPEC, DUE, PENDING, REFERENCES, ACCOUNTS, SUBMISSIONS, PUSHES, SCHEMA, CHANGES, CREDENTIALS,
  CREDENTIALS_INDEX, LOOKUP, THROTTLED, CLIENT_PENDING, CLIENT_ACCOUNTS, CLIENT_SUBMISSIONS, CLIENTS = unpack(KEYS)
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
  local order = redis.call('HMGET', args.orders .. id, 'status', 'client', 'sharing', 'last_poll', 'lease', 'hint',
    'throttled')
  if order[1] ~= 'pending' and order[1] ~= 'partial' then return nil end
  local polled = tonumber(order[5] or 0) > now and now or tonumber(order[4] or 0)
  local hint = tonumber(order[6] or 0)
  return {id = id, client = order[2], sharing = order[3], polled = polled, hint = hint, throttled = order[7]}
end
local function share(id)
  redis.call('SADD', sharers, id)
  redis.call('HSET', args.orders .. id, 'sharing', args.digest_of_reference)
end
-- The interval that two orders share from now on counts from the last request about the first one.
local function share_with(first)
  share(first.id)
  first.sharing = args.digest_of_reference
  local wait, interval = first.polled + args.minimum - now, args.shared_interval .. args.digest_of_reference
  if wait > redis.call('PTTL', interval) and wait > 0 then redis.call('SET', interval, first.id, 'PX', wait) end
end

local last = redis.call('HGET', REFERENCES, args.reference)
local twin = last and read_open(last)
if args.user_list then
  -- An order without credentials whose release did not know of sharing is of the account's own user.
  if twin and not twin.sharing and not args.credentials then share_with(twin) end
else
  for _, id in ipairs(twin and {} or redis.call('SMEMBERS', sharers)) do twin = twin or read_open(id) end
  if twin and not args.allow_duplicate then return {'duplicate', '', now, 0, twin.id, twin.client or ''} end
  if twin then share_with(twin) end
end
-- Looks at a user's list are with the account's credentials.
local looked = args.user_list and args.credentials and 0 or redis.call('PTTL', LOOKUP)
local hint = looked > 0 and now + looked or 0
if twin and twin.sharing == args.digest_of_reference and twin.hint > math.max(hint, now) then
  hint = twin.hint
  -- The hint is for the whole account, so that an operator can end it for all of them.
  if twin.throttled then
    redis.call('SADD', THROTTLED, args.id)
    redis.call('HSET', ORDER, 'throttled', 1)
  end
end
local deadline, ask = due + args.ceiling, 1
if hint > due then due = hint end
if due > deadline then due, ask = deadline, 0 end
local number = redis.call('INCR', SUBMISSIONS)
if number == 1 then
  for name, value in pairs(args.schema) do redis.call('HSETNX', SCHEMA, name, value) end
end
redis.call('SET', SPEC, args.spec)
redis.call('HSET', ORDER, 'provider', args.provider, 'account', args.account_name, 'status', 'pending', 'seq', 1,
  'ask', ask, 'due', due, 'deadline', deadline, 'submitted', now, 'number', number, 'digest', args.digest,
  'nonce', args.nonce)
if hint > now then redis.call('HSET', ORDER, 'hint', hint) end
if args.not_before then redis.call('HSET', ORDER, 'not_before', args.not_before) end
if args.event then
  redis.call('HSET', ORDER, 'event', args.event)
  redis.call('ZADD', CHANGES, now, args.id)
end
if args.user_list or twin or args.across_accounts then share(args.id) end
if args.credentials then
  redis.call('SET', CREDENTIALS, args.credentials)
  redis.call('HSET', ORDER, 'bound', 1)
  redis.call('ZADD', CREDENTIALS_INDEX, deadline, args.id)
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
