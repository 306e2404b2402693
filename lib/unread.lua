-- unread: where a log ends, and how many messages of others a device has not seen in it ([L-3]).
-- KEYS  1 log   2 meta
-- ARGV  1 cursor   2 userId   3 most that are counted exactly (0: none)
-- returns {head, count, epoch, floor, counts}, the last three as in append.lua; the count is the difference of seqs where that is above ARGV[3]
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not newest then return { '0-0', 0 } end
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'floor', 'counts')
local function result(count) return { newest[1], count, meta[1], meta[2], meta[3] } end
local function partsOf(id)
  local epoch, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(epoch), tonumber(seq)
end
local epoch, seq = partsOf(newest[1])
local cursorEpoch, cursorSeq = partsOf(ARGV[1])
if cursorEpoch > epoch or (cursorEpoch == epoch and cursorSeq >= seq) then return result(0) end
local behind = math.max(0, seq - cursorSeq)
if behind > tonumber(ARGV[3]) then return result(behind) end

local function fieldsOf(entry)
  local fields = {}
  for i = 1, #entry[2], 2 do fields[entry[2][i]] = entry[2][i + 1] end
  return fields
end
-- Entries of a conversation of two carry counts (append.lua): the first unread one and the last one tell all.
local oldest = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], newest[1], 'COUNT', 1)[1]
local from, to = fieldsOf(oldest), fieldsOf(newest)
if from.own and to.own then
  local function others(fields) return tonumber(fields.sender == ARGV[2] and fields.others or fields.own) end
  return result(others(to) - others(from) + (from.sender == ARGV[2] and 0 or 1))
end
local count = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], newest[1], 'COUNT', ARGV[3])) do
  if fieldsOf(entry).sender ~= ARGV[2] then count = count + 1 end
end
return result(count)
