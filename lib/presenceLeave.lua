-- presenceLeave: a node goes in good order. Its users stay counted, under a name that nobody renews, until a lease has
-- run out: who is on another node by then has not left ([P-8]).
-- KEYS  1 {online}:users   2 {online}:nodes   3 {online}:version   4 prefix of the node hashes (same slot)
--       5 {online}:replids   6 {online}:swept
-- ARGV  1 node   2 lease in ms   3 ending of the names of nodes that have left   4 longest pause between two sweeps, in ms
-- returns {} when they stay counted; where no node remains that could take them out later, the names to be taken out now
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local node, ending = ARGV[1], ARGV[3]
-- As in presenceSweep: after a pause a lease that has run out says nothing of its node.
local sinceText, lastText = string.match(redis.call('GET', KEYS[6]) or '', '^(%d+)|(%d+)$')
local since, last = tonumber(sinceText or now), tonumber(lastText or now)
local watched = now - since >= tonumber(ARGV[2]) and now - last <= tonumber(ARGV[4])
local others = false
local nodes = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local names = {}
for i = 1, #nodes, 2 do
  names[#names + 1] = nodes[i]
  local hasLeft = string.sub(nodes[i], -#ending) == ending
  if nodes[i] ~= node and not hasLeft and (not watched or tonumber(nodes[i + 1]) >= now) then others = true end
end
if not others then return names end
if redis.call('ZREM', KEYS[2], node) == 1 and redis.call('EXISTS', KEYS[4] .. node) == 1 then
  redis.call('HDEL', KEYS[5], node)
  redis.call('RENAME', KEYS[4] .. node, KEYS[4] .. node .. ending)
  redis.call('ZADD', KEYS[2], string.format('%d', now + tonumber(ARGV[2])), node .. ending)
end
return {}
