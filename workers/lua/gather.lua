-- Moves messages of applications with other priority steps to the lists of ours, in their order.
--
-- KEYS  pairs: a list that others write, the list of ours with the nearest priority
-- ARGV  how many messages to move from each list at most

for i = 1, #KEYS, 2 do
  for _ = 1, tonumber(ARGV[1]) do
    if not redis.call('RPOPLPUSH', KEYS[i], KEYS[i + 1]) then break end
  end
end
