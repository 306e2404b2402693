-- presenceRead: everybody who is online, with the version this is true for.
-- KEYS  1 {online}:users   2 {online}:nodes   3 {online}:version   4 prefix of the node hashes (same slot)
-- returns {version, then pairs userId, userName} (a user of two nodes comes twice)
local result = { tonumber(redis.call('GET', KEYS[3]) or '0') }
for _, node in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local all = redis.call('HGETALL', KEYS[4] .. node)
  for i = 1, #all, 2 do
    result[#result + 1] = all[i]
    result[#result + 1] = cjson.decode(all[i + 1])[2]
  end
end
return result
