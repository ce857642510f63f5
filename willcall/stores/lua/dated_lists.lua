-- Defines mark_updated(), list_by_event(), is_listed_by_event() and unlist(): the lists of orders by their last change, and by the time of
-- their event. There is one of each per account, and of the latter one for open and one for final orders. If an order
-- belongs to a client, it is in such lists of the client too.
--
-- A member is `<ms, 16 digits>:<id>`, and all scores are 0. So a place in a list is exact, however many orders share a
-- moment, and pages neither repeat an order nor leave one out.

local function dated_member(ms, id) return string.format('%016.0f:%s', ms, id) end

-- Return what the keys of an order's lists of a kind begin with, and two fields of the order.
local function dated_lists(kind, order, id, field, other)
  local found = redis.call('HMGET', order, 'provider', 'account', 'client', field, other)
  local prefix = string.sub(order, 1, -#id - 7) .. kind .. ':'
  local account, client = found[1] .. '/' .. found[2], found[3]
  return {prefix .. account, client and prefix .. client .. ':' .. account or nil}, found[4] or nil, found[5] or nil
end

-- Record that something of an order changed that its backend would see.
local function mark_updated(order, id, now)
  local lists, before = dated_lists('by_change', order, id, 'updated', 'status')
  for _, list in ipairs(lists) do
    if before then redis.call('ZREM', list, dated_member(before, id)) end
    redis.call('ZADD', list, 0, dated_member(now, id))
  end
  redis.call('HSET', order, 'updated', now)
end

-- Return what the keys of an order's lists by event end with.
local function event_place(status) return (status == 'pending' or status == 'partial') and ':open' or ':final' end

-- Return whether an order is where list_by_event() would list it, or has no event.
local function is_listed_by_event(order, id)
  local lists, event, status = dated_lists('by_event', order, id, 'event', 'status')
  return not event or redis.call('ZSCORE', lists[1] .. event_place(status), dated_member(event, id))
end

-- List an order by the event that it has now, among the open or the final ones. `before`: the event that it had (ms).
local function list_by_event(order, id, before)
  local lists, event, status = dated_lists('by_event', order, id, 'event', 'status')
  local place = event_place(status)
  for _, list in ipairs(lists) do
    for _, ms in ipairs({event or before, before}) do
      redis.call('ZREM', list .. ':open', dated_member(ms, id))
      redis.call('ZREM', list .. ':final', dated_member(ms, id))
    end
    if event then redis.call('ZADD', list .. place, 0, dated_member(event, id)) end
  end
  -- The sweep `watch` looks at it now, and finds out when it has to look again.
  if event or status == 'fulfilled' then redis.call('ZADD', dated_lists('watched', order, id, 'event', 'status')[1], 0, id) end
end

-- Have the sweep `watch` look at a fulfilled order without an event that ended after `since` (ms), if it does not yet.
-- Returns whether it was new. Orders that are not watched in the end are left out, as they would be new each time.
local function watch_fulfilled(order, id, since)
  local lists, finished, status = dated_lists('watched', order, id, 'finished', 'status')
  if status ~= 'fulfilled' or tonumber(finished or 0) <= since then return false end
  local other = redis.call('HMGET', order, 'event', 'bound', 'ended_by')
  if other[1] or other[2] or (other[3] or 'provider') ~= 'provider' then return false end
  return redis.call('ZADD', lists[1], 'NX', 0, id) == 1
end

-- Remove an order from all these lists.
local function unlist(order, id)
  local lists, updated = dated_lists('by_change', order, id, 'updated', 'status')
  for _, list in ipairs(lists) do
    if updated then redis.call('ZREM', list, dated_member(updated, id)) end
  end
  local event = redis.call('HGET', order, 'event') or nil
  redis.call('HDEL', order, 'event')
  redis.call('ZREM', dated_lists('watched', order, id, 'event', 'status')[1], id)
  list_by_event(order, id, event)
end
