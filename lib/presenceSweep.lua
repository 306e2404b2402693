-- presenceSweep: takes out nodes whose lease has run out, and nodes known to have ended, with their users.
-- KEYS  1 {online}:users   2 {online}:nodes   3 {online}:version   4 prefix of the node hashes (same slot)
--       5 {online}:replids
-- ARGV  1 channel   2 command that publishes   then names of nodes known to have ended
-- returns the names of the nodes taken out
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('(%d', now))
for i = 3, #ARGV do
  -- Its score is still above now, or it would be in the list already.
  local score = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if score and tonumber(score) >= now then dead[#dead + 1] = ARGV[i] end
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
