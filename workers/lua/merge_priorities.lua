-- Moves messages that other applications sent with priorities of their own to our lists, in their order.
--
-- KEYS  pairs: a list that others write, our list with the nearest priority
-- ARGS  max_moved: messages to move from each list

local args = cjson.decode(ARGV[1])
for i = 1, #KEYS, 2 do
  for _ = 1, args.max_moved do
    if not redis.call('RPOPLPUSH', KEYS[i], KEYS[i + 1]) then break end
  end
end
