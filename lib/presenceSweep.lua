-- presenceSweep: takes out nodes whose lease has run out, and nodes known to have ended, with their users.
-- KEYS  1 {online}:users   2 {online}:nodes   3 {online}:version   4 prefix of the node hashes (same slot)
--       5 {online}:replids   6 {online}:swept
-- ARGV  1 channel   2 command that publishes   3 lease in ms   4 longest pause between two sweeps, of whatever node, in ms
--       then names of nodes known to have ended
-- returns the names of the nodes taken out
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
-- A Redis that stood still finds every lease run out, and sweeps that waited in its sockets, when it goes on; servers that
-- slept together find the same. So leases count only where somebody has swept all the while, for as long as a lease ([P-7]).
local sinceText, lastText = string.match(redis.call('GET', KEYS[6]) or '', '^(%d+)|(%d+)$')
local since, last = tonumber(sinceText or now), tonumber(lastText or 0)
if now - last > tonumber(ARGV[4]) or now < last then since = now end
-- However many nodes sweep, a few writes a second do.
if since == now or now - last > tonumber(ARGV[4]) / 6 then
  redis.call('SET', KEYS[6], string.format('%d|%d', since, now))
end
local dead = {}
if now - since >= tonumber(ARGV[3]) then
  dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('(%d', now))
end
local isDead = {}
for _, node in ipairs(dead) do isDead[node] = true end
for i = 5, #ARGV do
  if not isDead[ARGV[i]] and redis.call('ZSCORE', KEYS[2], ARGV[i]) then dead[#dead + 1] = ARGV[i] end
end
if #dead == 0 then return dead end
local offline = {}
for _, node in ipairs(dead) do
  local all = redis.call('HGETALL', KEYS[4] .. node)
  for i = 1, #all, 2 do
    local count = cjson.decode(all[i + 1])[1]
    if redis.call('HINCRBY', KEYS[1], all[i], -count) <= 0 then
      redis.call('HDEL', KEYS[1], all[i])
      offline[#offline + 1] = all[i]
    end
  end
  redis.call('DEL', KEYS[4] .. node)
  redis.call('ZREM', KEYS[2], node)
  redis.call('HDEL', KEYS[5], node)
end
if #offline > 0 then
  redis.call(ARGV[2], ARGV[1], cjson.encode({ version = redis.call('INCR', KEYS[3]), offline = offline }))
end
return dead
