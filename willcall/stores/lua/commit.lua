--!df flags=allow-undeclared-keys
-- Commit one step of an order, all at once, if the fence still holds: its seq, and for an attempt its claim.
--
-- Example: order 7 has seq 4 and is claimed by `a` until 60,000. The worker died, and at 70,000 another worker claims
-- it as `b`, polls and commits with seq 4 and claim `b`: seq becomes 5. If the first worker is alive after all, its
-- commit with seq 4 and claim `a` writes nothing. If the reply to `b` is lost and the call repeated, seq is 5 and the
-- order says that `b` wrote it, so the same due time is returned again.
--
-- A step that is no attempt (a push, a cancellation) leaves an attempt under way its claim while its answer may count.
--
-- KEYS     order, tickets, attempts, due index, held index, old status index, new status index, attention indexes,
--          final index, late checks, events, delivery, deliveries due, deliveries pending, counters of a minute and of an
--          hour (prefixes: the number follows from the clock), the four keys of an alert (see alert.lua), fetches
--          pending, token bucket, ordinary lane, express lane, late lane, throttled orders, account, indexes of bookings
--          (see bookings.lua), changes, spec, credentials, index of orders with credentials, reports due, reports
--          pending, report; for a client's order also the client's old and new status index and events
-- ARGS     id, seq (expected), claim (id of the claim; nil: no attempt)
--          place: 'due' (at `due`, ms), 'held', 'none', or 'keep' (as it was)
--          earliest: next attempt (ms) if one was requested while this one was under way
--          fields: of the order, to write; removed: fields to remove (nil: none)
--          attempt (JSON, for the timeline), most_attempts (that are kept), confirms (nothing has changed of a fulfilled
--          order: an attempt that only repeats the newest one replaces it), tickets (JSON; nil: unchanged)
--          late_check: of an expired order (ms; nil: none)
--          fetch_in: ms until its documents are fetched (nil: none are missing)
--          event = {id, type, data (JSON), host = to notify (nil: none)}; nil: no event
--          held_back: an event of an earlier status that waited for documents, for the feed only (nil: none)
--          notified = {before, after}: what the backend was last notified of ('' = nothing yet), and is from now on
--          look_at: when to look at its changes (ms; nil: no need)
--          counter: of the statistics, goes up by one (nil: none); minute_kept, hour_kept (seconds)
--          alert (see alert.lua; nil: operators are not notified)
--          throttled: its hint is for the whole account
--          answered: a good answer of the account that was not reported; ends the count of failures in a row
--          amended = {spec (JSON), digest (of the content), event = ms (nil: unknown)}; nil: what was submitted stays
--          ownership (see ticket_owners.lua; nil: unchanged)
--          report: 'send' (its provider is to know how the order ended), 'drop' (no longer; nil: unchanged)
-- Returns  {due (ms), reschedules (see bookings.lua), {event id, number, host}}, due 0 if it is not due, the last empty if
--          no message about an event is to be sent. If nothing was written, {-1, {}, {}}: the fence did not hold, or
--          {-2, {}, {}}: another order owns its tickets

-- include: clock
-- include: urgency
-- include: attention
-- include: alert
-- include: queue_delivery
-- include: feed
-- include: notified
-- include: ticket_owners
-- include: forget_credentials

local ORDER, TICKETS, ATTEMPTS, DUE, HELD, OLD_STATUS, NEW_STATUS, ATTENTION, FINAL, LATE_CHECKS, EVENTS, DELIVERY,
  DELIVERIES_DUE, DELIVERIES_PENDING, MINUTES, HOURS, ALERT_1, ALERT_2, ALERT_3, ALERT_4, FETCHES_PENDING, BUCKET,
  ORDINARY, EXPRESS, LATE, THROTTLED, ACCOUNT, STRANDED, ORDERS, DUES, ACCOUNTS, FETCHES, URGENT, CHANGES, SPEC,
  CREDENTIALS, CREDENTIALS_INDEX, REPORTS_DUE, REPORTS_PENDING, REPORT, CLIENT_OLD_STATUS, CLIENT_NEW_STATUS, CLIENT_EVENTS = unpack(KEYS)
local args = cjson.decode(ARGV[1])
local indexes = {stranded = STRANDED, order = ORDERS, due = DUES, account = ACCOUNTS, fetches = FETCHES,
  urgent = URGENT}

local before = redis.call('HMGET', ORDER, 'seq', 'claim', 'again', 'number', 'deadline', 'settled', 'due', 'slot',
  'stranded', 'throttled', 'hinted', 'status', 'client_number', 'event', 'since')
local seq, deadline, slot, stranded = tonumber(before[1]), before[5], before[8], before[9]
if args.claim and before[6] == args.claim and seq == args.seq + 1 then return {tonumber(before[7] or 0), {}, {}} end
if seq ~= args.seq or (args.claim and before[2] ~= args.claim) then return {-1, {}, {}} end
if args.ownership and owned_by_another(args.ownership, args.id) then return {-2, {}, {}} end

if args.answered then redis.call('HDEL', ACCOUNT, 'failures', 'refused', 'unreadable') end
local now = server_time()
local fields = args.fields
-- The provider may have announced another date of issuing, which moves the deadline.
deadline = fields.deadline or deadline
local keep = args.place == 'keep'
local set, removed = {'seq', seq + 1}, {'resent', 'resend_at'}
local function write(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
end
local function remove(...)
  for _, field in ipairs({...}) do removed[#removed + 1] = field end
end

-- A claim has used up what the attempt had booked.
if not keep and (not args.claim or slot) then
  remove('slot', 'shift', 'line', 'since', 'plan', 'express', 'override', 'overridden', 'stranded')
end
for field, value in pairs(fields) do
  -- `attention` is written with its indexes, and `ask` belongs to the schedule. A look may have changed the last two.
  local asked = field == 'last_poll' or field == 'hint'
  if field ~= 'attention' and not (keep and field == 'ask') and (args.claim or not asked) then
    set[#set + 1] = field
    set[#set + 1] = value
  end
end
if args.removed then remove(unpack(args.removed)) end
local closed = fields.status == 'failed' or fields.status == 'cancelled'
if args.claim or closed then remove('lease', 'claim', 'again') end
if args.claim then write('settled', args.claim) end

-- The backend may have been notified of something else since the order was read. Then its changes are looked at again.
local event, look_at = args.event, args.look_at
local notified = notified_of(ORDER)
if notified ~= args.notified.before then
  look_at = now
  if event and NO_STATUS[event.type] then event = nil end
end

-- `undeliverable` follows from the delivery alone, whatever was true when the order was read.
local attention = fields.attention or ''
if attention == '' or attention == 'undeliverable' then
  local undeliverable = not event and redis.call('HGET', DELIVERY, 'state') == 'undeliverable'
  attention = undeliverable and 'undeliverable' or ''
end
if set_attention(ORDER, ATTENTION, args.id, attention, now) and attention ~= '' and args.alert then
  alert_attention({ALERT_1, ALERT_2, ALERT_3, ALERT_4}, args.alert, attention, now)
end

local due = 0
local amendable = fields.status == 'fulfilled' or fields.status == 'expired'
local allowed = (args.place == 'due' and args.earliest <= tonumber(deadline)) or (args.place == 'none' and amendable)
local again = args.claim and before[3] and allowed
if not keep then redis.call('ZREM', HELD, args.id) end
if keep then
  due = redis.call('ZSCORE', DUE, args.id) and tonumber(before[7]) or 0
elseif args.place == 'due' or again then
  due = args.due or math.huge
  if again then
    local sooner = math.max(now, args.earliest, tonumber(before[3]))
    if sooner < due then
      write('express', 1)
      write('ask', 1)
      if args.place == 'due' and fields.ask == '1' then write('plan', due) end
      due = sooner
    end
  end
  redis.call('ZADD', DUE, due, args.id)
  write('due', due)
else
  redis.call('ZREM', DUE, args.id)
  remove('due')
  if args.place == 'held' then redis.call('ZADD', HELD, fields.finished and '+inf' or deadline, args.id) end
end
local changed = args.tickets or fields.status ~= before[12]
if changed or args.amended then mark_updated(ORDER, args.id, now) end
-- After a change, the provider may have the order polled early again.
if changed and before[11] then remove('hinted') end
local event_at = before[14] or nil
if args.amended then
  redis.call('SET', SPEC, args.amended.spec)
  write('amended', args.amended.digest)
  event_at = args.amended.event
  if event_at then write('event', event_at) else remove('event') end
end
if not keep then
  if args.throttled and (due ~= 0 or args.place == 'held') then
    redis.call('SADD', THROTTLED, args.id)
    write('throttled', 1)
  elseif before[10] then
    redis.call('SREM', THROTTLED, args.id)
    remove('throttled')
  end
end
redis.call('HDEL', ORDER, unpack(removed))
redis.call('HSET', ORDER, unpack(set))
local reschedules = {}
-- A booking is as urgent as the event that the order has now. Whoever takes the next token compares it with the others.
if keep and slot and args.amended and event_at ~= (tonumber(before[14] or nil)) then
  local bucket = bucket_load(BUCKET, {ordinary = ORDINARY, express = EXPRESS, late = LATE}, 'order:' .. args.id)
  if event_at then
    urgency_index(bucket, nil, now, indexes, reschedules).add(tonumber(before[15] or now), event_at)
  else
    redis.call('ZREM', URGENT, bucket.booking)
  end
end
if not keep and (slot or stranded or closed) then
  local lanes = {ordinary = ORDINARY, express = EXPRESS, late = LATE}
  if stranded then redis.call('ZREM', indexes.stranded, args.id) end
  if slot then booking_cancel(bucket_load(BUCKET, lanes, 'order:' .. args.id), now, indexes, reschedules) end
  if closed then booking_cancel(bucket_load(BUCKET, lanes, 'documents:' .. args.id), now, indexes, reschedules) end
end

if OLD_STATUS ~= NEW_STATUS then
  redis.call('ZREM', OLD_STATUS, args.id)
  redis.call('ZADD', NEW_STATUS, before[4], args.id)
  if CLIENT_NEW_STATUS then
    redis.call('ZREM', CLIENT_OLD_STATUS, args.id)
    redis.call('ZADD', CLIENT_NEW_STATUS, before[13], args.id)
  end
end
if OLD_STATUS ~= NEW_STATUS or args.amended then list_by_event(ORDER, args.id, before[14] or nil) end
if fields.finished then
  redis.call('ZADD', FINAL, math.max(fields.finished, event_at or 0), args.id)
elseif before[12] == 'cancelled' then
  redis.call('ZREM', FINAL, args.id)  -- open again
end
if args.late_check then
  redis.call('ZADD', LATE_CHECKS, args.late_check, args.id)
elseif not keep then
  redis.call('ZREM', LATE_CHECKS, args.id)
end
if args.tickets then redis.call('SET', TICKETS, args.tickets) end
if args.report then redis.call('DEL', REPORT) end
if args.report == 'send' then
  redis.call('HSET', REPORT, 'status', fields.status, 'fence', seq + 1, 'since', now)
  redis.call('ZADD', REPORTS_DUE, now, args.id)
  redis.call('ZADD', REPORTS_PENDING, now, args.id)
elseif args.report == 'drop' then
  redis.call('ZREM', REPORTS_DUE, args.id)
  redis.call('ZREM', REPORTS_PENDING, args.id)
end
if args.ownership then own_tickets(args.ownership, args.id) end
if args.fetch_in then
  redis.call('ZADD', indexes.fetches, 'NX', now + args.fetch_in, args.id)
  redis.call('ZADD', FETCHES_PENDING, 'NX', now + args.fetch_in, args.id)
end
local fetching = not closed and redis.call('ZSCORE', indexes.fetches, args.id)
if fields.finished and not fetching and redis.call('HGET', ORDER, 'bound') == '1' then
  forget_credentials(ORDER, CREDENTIALS, CREDENTIALS_INDEX, args.id)
end
if args.attempt then
  local newest = args.confirms and redis.call('LINDEX', ATTEMPTS, 0)
  local outcome, why = cjson.decode(args.attempt)[2], cjson.decode(args.attempt)[5]
  if newest and cjson.decode(newest)[2] == outcome and cjson.decode(newest)[5] == why then
    redis.call('LSET', ATTEMPTS, 0, args.attempt)
  else
    redis.call('LPUSH', ATTEMPTS, args.attempt)
    redis.call('LTRIM', ATTEMPTS, 0, args.most_attempts - 1)
  end
end
local message
if args.held_back then add_event({EVENTS, ORDER, CLIENT_EVENTS}, args.id, args.held_back, now) end
if event then
  add_event({EVENTS, ORDER, CLIENT_EVENTS}, args.id, event, now)
  message = queue_delivery(DELIVERY, DELIVERIES_DUE, DELIVERIES_PENDING, args.id, event)
  look_at = look_for_later(DELIVERY, look_at, now)
end
if event or (notified == '' and not args.event) then remember_notified(ORDER, args.notified.after) end
if look_at then redis.call('ZADD', CHANGES, 'LT', look_at, args.id) end
if args.counter then
  local minute, hour = MINUTES .. math.floor(now / 60000), HOURS .. math.floor(now / 3600000)
  -- Only a counter that is new can have made the hash, which then needs its expiry.
  if redis.call('HINCRBY', minute, args.counter, 1) == 1 then redis.call('EXPIRE', minute, args.minute_kept) end
  if redis.call('HINCRBY', hour, args.counter, 1) == 1 then redis.call('EXPIRE', hour, args.hour_kept) end
end
return {due, reschedules, message or {}}
