-- presence: sets how many sessions users have on one node, renews its lease, and tells the others who came and left.
-- Counts are absolute, so a repeat of the call changes nothing.
-- KEYS  1 {online}:users   2 {online}:nodes   3 {online}:version   4 prefix of the node hashes (same slot)
--       5 {online}:replids
-- ARGV  1 node   2 lease in ms   3 channel   4 "join" (register anew, keeping nothing) or "beat"
--       5 command that publishes   then for each user: userId, count, userName
-- returns {"gone"} when the lease was lost, or another Redis than at the join (it may lack the last counts) answers, and
-- it is not a join; else {"ok", version, then pairs userId, total}
local node, lease, channel = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local hash = KEYS[4] .. node
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
if ARGV[4] == 'join' then
  redis.call('HSET', KEYS[5], node, replid)
elseif redis.call('HGET', KEYS[5], node) ~= replid or not redis.call('ZSCORE', KEYS[2], node) then
  return { 'gone' }
end
redis.call('ZADD', KEYS[2], string.format('%d', now + lease), node)

local online, offline, totals = {}, {}, {}
local function set(user, count, name)
  local old = redis.call('HGET', hash, user)
  local oldCount = old and cjson.decode(old)[1] or 0
  local total
  if count ~= oldCount then
    total = redis.call('HINCRBY', KEYS[1], user, count - oldCount)
    if total <= 0 then redis.call('HDEL', KEYS[1], user) end
    if count > 0 then
      redis.call('HSET', hash, user, cjson.encode({ count, name }))
    else
      redis.call('HDEL', hash, user)
    end
    if total > 0 and total - (count - oldCount) <= 0 then
      online[#online + 1] = { userId = user, userName = name }
    elseif total <= 0 then
      offline[#offline + 1] = user
    end
  else
    total = tonumber(redis.call('HGET', KEYS[1], user) or '0')
  end
  totals[#totals + 1] = user
  totals[#totals + 1] = total
end

local given = {}
for i = 6, #ARGV, 3 do
  given[ARGV[i]] = true
  set(ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2])
end
if ARGV[4] == 'join' then
  for _, user in ipairs(redis.call('HKEYS', hash)) do
    if not given[user] then set(user, 0, '') end
  end
end

local version = tonumber(redis.call('GET', KEYS[3]) or '0')
if #online > 0 or #offline > 0 then
  version = redis.call('INCR', KEYS[3])
  -- cjson writes an empty table as {}: leave out what is empty. Ids stay text, as cjson keeps only 14 digits.
  local change = { version = version }
  if #online > 0 then change.online = online end
  if #offline > 0 then change.offline = offline end
  redis.call(ARGV[5], channel, cjson.encode(change))
end
local result = { 'ok', version }
for i = 1, #totals do result[#result + 1] = totals[i] end
return result
