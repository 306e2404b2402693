-- append: stores what one conversation got in one turn, all or nothing, in the order given (clauses [S-3], [S-4]).
-- Without a message it only sees to it that a lost tail is announced.
-- KEYS  1 log   2 meta   3 prefix of the mid hashes (same slot; ":<userId>:<day>" is added here)
--       There is never a key of the third name: where a Cluster moves the slot, key after key, one is missing on either
--       side, so Redis answers TRYAGAIN before anything runs; half of this is never done.
-- ARGV  1 most entries kept   2 days a mid is kept   3 newest id that the caller has seen in this log ("0-0" = none)
--       4 1 when it is a conversation of two, else 0
--       then for each message:
--       sender, device, mid ("" = none), name, sex, content
-- returns for each message: id, time in Unix ms, 1 when stored now or 0 when it had been
local most, days = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local seconds = tonumber(clock[1])
local time = string.format('%d', seconds * 1000 + math.floor(tonumber(clock[2]) / 1000))
local day = math.floor(seconds / 86400)
local function parts(id)
  local epoch, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(seq)
end

local lastEpoch, seq = 0, 0
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if last[1] then lastEpoch, seq = parts(last[1][1]) end
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)')
local meta = redis.call('HMGET', KEYS[2], 'replid', 'epoch', 'floor')
local epoch = tonumber(meta[2] or '0')
-- Seqs up to here are not given out any more: they were lost, and announced by nothing but the hole they leave.
seq = math.max(seq, tonumber(meta[3] or '0'))

-- What the caller has seen and is not here was a tail that Redis lost, in a failover or with its files. Its seqs are
-- given to nothing else, so that every reader finds a hole of exactly that size ([D-5]).
local seenEpoch, seenSeq = parts(ARGV[3])
local tailLost = false
if seenEpoch > lastEpoch or (seenEpoch == lastEpoch and seenSeq > seq) then
  tailLost = true
  seq = math.max(seq, seenSeq)
elseif seenEpoch < lastEpoch and seenEpoch > 0 then
  -- A server that had not seen that tail has stored on over it: what came next took seqs of it, under a later epoch.
  -- As many are left out here, once for each such tail, whoever tells of it.
  local nextEntry = redis.call('XRANGE', KEYS[1], '(' .. ARGV[3], '+', 'COUNT', 1)
  local _, nextSeq = parts(nextEntry[1][1])
  local told = tonumber(redis.call('HGET', KEYS[2], 'lost:' .. seenEpoch) or '0')
  local count = seenSeq - math.max(nextSeq - 1, told)
  if count > 0 then
    tailLost = true
    seq = seq + count
    redis.call('HSET', KEYS[2], 'lost:' .. seenEpoch, ARGV[3]:match('%d+$'))
  end
end
-- Another replication id: this Redis was restarted or promoted, and may have lost a tail that somebody else has seen.
-- Ids of two that took themselves for the master at the same time must differ: seconds alone would not see to that.
if meta[1] ~= replid or epoch < lastEpoch or tailLost then
  local salt = tonumber(string.sub(replid, 1, 6), 16) % 1000
  epoch = math.max(seconds * 1000, epoch + 1, lastEpoch + 1, seenEpoch + 1) + salt
  redis.call('HSET', KEYS[2], 'replid', replid, 'epoch', string.format('%d', epoch))
end
if tailLost then redis.call('HSET', KEYS[2], 'floor', string.format('%d', seq)) end

-- A sender's mid hashes: today's, then those of earlier days that are there. Looked up once a sender, not once a
-- message: 9 % of what Redis does for a message in a batch of 256.
local hashes, isNew = {}, {}
local function hashesOf(sender)
  if not hashes[sender] then
    local prefix = KEYS[3] .. ':' .. sender .. ':'
    local found = { prefix .. day }
    isNew[sender] = redis.call('EXISTS', found[1]) == 0
    for back = 1, days - 1 do
      if redis.call('EXISTS', prefix .. (day - back)) == 1 then found[#found + 1] = prefix .. (day - back) end
    end
    hashes[sender] = found
  end
  return hashes[sender]
end

-- Of a conversation of two each entry says how many its sender has said in it so far (own), and how many the other one
-- (others): so what is unread is counted by looking at two entries, not at all of them (unread.lua).
local lastSender, own, others = nil, 0, 0
if ARGV[4] == '1' and last[1] then
  local fields = {}
  for i = 1, #last[1][2], 2 do fields[last[1][2][i]] = last[1][2][i + 1] end
  lastSender, own, others = fields.sender, tonumber(fields.own or '0'), tonumber(fields.others or '0')
end

local results = {}
local fresh = 0
for i = 5, #ARGV, 6 do
  local sender, mid = ARGV[i], ARGV[i + 2]
  local known = false
  if mid ~= '' then
    for _, key in ipairs(hashesOf(sender)) do
      known = redis.call('HGET', key, mid)
      if known then break end
    end
  end
  if known then
    local id, knownTime = string.match(known, '^(.-)|(.*)$')
    results[#results + 1] = id
    results[#results + 1] = knownTime
    results[#results + 1] = 0
  else
    seq = seq + 1
    fresh = fresh + 1
    local id = string.format('%d-%d', epoch, seq)
    local fields = { 'sender', sender, 'device', ARGV[i + 1], 'mid', mid, 'time', time, 'name', ARGV[i + 3],
      'sex', ARGV[i + 4], 'content', ARGV[i + 5] }
    if ARGV[4] == '1' then
      if lastSender and lastSender ~= sender then own, others = others, own end
      lastSender, own = sender, own + 1
      for _, field in ipairs({ 'own', string.format('%d', own), 'others', string.format('%d', others) }) do
        fields[#fields + 1] = field
      end
    end
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', most, id, unpack(fields))
    if mid ~= '' then
      local today = hashesOf(sender)[1]
      redis.call('HSET', today, mid, id .. '|' .. time)
      if isNew[sender] then
        redis.call('EXPIRE', today, days * 86400)
        isNew[sender] = false
      end
    end
    results[#results + 1] = id
    results[#results + 1] = time
    results[#results + 1] = 1
  end
end
-- Where all of it was known, this Redis may still be the only one that has it: WAIT, which follows, waits for what this
-- connection has written, so something has to be.
if fresh == 0 and #ARGV > 4 then redis.call('HSET', KEYS[2], 'replid', replid) end
return results
