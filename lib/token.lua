-- token: gives a device of a user a new token, after checking the one it came with ([L-4], [L-5]).
-- KEYS  1 hash of tokens   2 hash of cursors   3 hash of what was received   4 hash of last seen, of the same user
-- ARGV  1 device   2 hash of the new token   3 expiry of the new token, Unix ms   4 most devices
--       5 hash of the token it came with, "" when it came with the password
-- returns 1 done, 0 the token does not fit or has expired
-- A record is {hash, previousHash, expires}. The one it came with becomes the previous one and stays good until the
-- new one was used once: an answer that is lost does not lock anybody out, and neither does a repeat of this call.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local text = redis.call('HGET', KEYS[1], ARGV[1])
local record = text and cjson.decode(text) or nil
local previous = ''
if ARGV[5] ~= '' then
  if not record or record.expires < now then return 0 end
  if ARGV[5] ~= record.hash and ARGV[5] ~= record.previousHash then return 0 end
  previous = ARGV[5]
elseif record and record.expires >= now then
  previous = record.hash
end
if not record and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  -- The expiry is written at every log-in, so of those who are not here the earliest one belongs to the device unused
  -- for the longest time. One that is here is dropped only where all are.
  local oldest, oldestExpires, oldestIsHere
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    local expires = cjson.decode(all[i + 1]).expires
    local isHere = string.sub(redis.call('HGET', KEYS[4], all[i]) or '', 1, 2) == 'on'
    local isBefore = not oldest or (oldestIsHere and not isHere)
      or (oldestIsHere == isHere and expires < oldestExpires)
    if isBefore then oldest, oldestExpires, oldestIsHere = all[i], expires, isHere end
  end
  redis.call('HDEL', KEYS[1], oldest)
  local prefix = oldest .. '|'
  for key = 2, 3 do
    for _, field in ipairs(redis.call('HKEYS', KEYS[key])) do
      if string.sub(field, 1, #prefix) == prefix then redis.call('HDEL', KEYS[key], field) end
    end
  end
  redis.call('HDEL', KEYS[4], oldest)
end
redis.call('HSET', KEYS[1], ARGV[1],
  cjson.encode({ hash = ARGV[2], previousHash = previous, expires = tonumber(ARGV[3]) }))
return 1
