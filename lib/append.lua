-- append: stores what one conversation got in one turn, all or nothing, in the order given (clauses [S-3], [S-4]).
-- Without a message it only sees to it that what was lost is announced.
-- seq counts what was ever given out in this conversation, as far as it was told here: what stands in the log, and what
-- another Redis, or this one itself before, had given out and is not here. `counts` says how many under which epoch, and
-- of each epoch the larger number is true, so telling the same again changes nothing. `floor` is what was counted when
-- the epoch began. Whoever read up to any id, wherever it stood, thus finds a hole in front of the next entry as large as
-- what it has not got of all that ([D-5]).
-- KEYS  1 log   2 meta   3 prefix of the mid hashes (same slot; ":<userId>:<day>" is added here)
--       There is never a key of the third name: where a Cluster moves the slot, key after key, one is missing on either
--       side, so Redis answers TRYAGAIN before anything runs; half of this is never done.
-- ARGV  1 most entries kept   2 days a mid is kept   3 newest id that the caller has seen in this log ("0-0" = none)
--       4 1 when it is a conversation of two, else 0
--       5 counts and 6 floor, as the caller knows them: "<epoch>:<count> ...", ascending, and a number
--       7 most epochs in counts
--       then for each message:
--       sender, device, mid ("" = none), name, sex, content
-- returns for each message: id, time in Unix ms, 1 when stored now or 0 when it had been;
--       then, where the caller knew others: epoch, floor and counts as they are now
local most, days, epochsMost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[7])
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
local meta = redis.call('HMGET', KEYS[2], 'replid', 'epoch', 'floor', 'counts')
local epoch, floor, counts = tonumber(meta[2] or '0'), tonumber(meta[3] or '0'), meta[4] or ''
seq = math.max(seq, floor)
local seenEpoch, seenSeq = parts(ARGV[3])
local knew = ARGV[5] == counts and tonumber(ARGV[6]) == floor

-- Another replication id: this Redis was restarted or promoted, and may have lost a tail that nobody tells of here.
-- Ids of two that took themselves for the master at the same time must differ: seconds alone would not see to that.
local current = math.max(epoch, lastEpoch)
if meta[1] ~= replid or epoch < lastEpoch or not knew or seenEpoch ~= current or seenSeq > seq then
  local byEpoch, epochs, lost, newest = {}, {}, 0, math.max(current, seenEpoch)
  local function count(one, number)
    local before = byEpoch[one]
    if before and number <= before then return 0 end
    if not before then epochs[#epochs + 1] = one end
    byEpoch[one] = number
    return number - (before or 0)
  end
  for one, number in string.gmatch(counts, '(%d+):(%d+)') do count(tonumber(one), tonumber(number)) end
  -- Of those before the oldest one nothing is known any more, but that they were counted.
  local oldest = #epochs == epochsMost and epochs[1] or 0
  if seq > floor then count(current, seq - floor) end
  local function told(one, number)
    newest = math.max(newest, one)
    if one <= oldest or number <= 0 then return end
    -- Entries from before epochs were counted: they are here.
    local name = string.format('%d', one)
    local here = not byEpoch[one] and redis.call('XREVRANGE', KEYS[1], name .. '-9007199254740991', name .. '-0', 'COUNT', 1)
    if here and here[1] then
      local _, hereSeq = parts(here[1][1])
      count(one, hereSeq)
    end
    lost = lost + count(one, number)
  end
  for one, number in string.gmatch(ARGV[5], '(%d+):(%d+)') do told(tonumber(one), tonumber(number)) end
  if seenSeq > 0 and not string.find(' ' .. ARGV[5], ' ' .. seenEpoch .. ':', 1, true) then
    told(seenEpoch, seenSeq - tonumber(ARGV[6]))
  end
  if meta[1] ~= replid or epoch < lastEpoch or lost > 0 or newest > current then
    table.sort(epochs)
    local texts = {}
    for i = math.max(1, #epochs - epochsMost + 1), #epochs do
      texts[#texts + 1] = string.format('%d:%d', epochs[i], byEpoch[epochs[i]])
    end
    local salt = tonumber(string.sub(replid, 1, 6), 16) % 1000000
    epoch = math.max(seconds * 1000000, newest + 1) + salt
    floor, counts = seq + lost, table.concat(texts, ' ')
    seq = floor
    knew = false
    redis.call('HSET', KEYS[2], 'replid', replid, 'epoch', string.format('%d', epoch),
      'floor', string.format('%d', floor), 'counts', counts)
  end
end

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
for i = 8, #ARGV, 6 do
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
    redis.call('XADD', KEYS[1], id, unpack(fields))
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
-- Only where there is something to trim: Redis writes it into its append-only file as the exact length of now, and would
-- take acknowledged messages away where it loads that file with entries in it that are not there now.
if redis.call('XLEN', KEYS[1]) > most then redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', most) end
-- Where all of it was known, this Redis may still be the only one that has it: WAIT, which follows, waits for what this
-- connection has written, so something has to be.
if fresh == 0 and #ARGV > 7 then redis.call('HSET', KEYS[2], 'replid', replid) end
if not knew then
  for _, one in ipairs({ string.format('%d', epoch), string.format('%d', floor), counts }) do
    results[#results + 1] = one
  end
end
return results
