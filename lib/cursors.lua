-- cursors: moves cursors of one user forward, never back ([D-2]), and with them how far the user has received private
-- conversations, and when ([B-1], [B-4]). A repeat changes nothing but times.
-- KEYS  1 hash of cursors   2 hash of what was received
-- ARGV  1 most acknowledgements kept of a device and conversation
--       then for each cursor: field, id, private conversation whose other side is told ("" = none), field of the
--       newest log-in of its device
-- returns for each cursor the id up to which that conversation was received, "" where nobody is told; and the number of
-- the newest log-in of its device, "" where none is known
local clock = redis.call('TIME')
local now = string.format('%d', tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000))

local function isLater(id, old)
  local oldEpoch, oldSeq = string.match(old or '', '^(%d+)-(%d+)')
  if not oldEpoch then return true end
  local epoch, seq = string.match(id, '^(%d+)-(%d+)$')
  oldEpoch, oldSeq, epoch, seq = tonumber(oldEpoch), tonumber(oldSeq), tonumber(epoch), tonumber(seq)
  return epoch > oldEpoch or (epoch == oldEpoch and seq > oldSeq)
end

local results = {}
for i = 2, #ARGV, 4 do
  local field, id, conv = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if isLater(id, redis.call('HGET', KEYS[1], field)) then redis.call('HSET', KEYS[1], field, id) end
  local received = ''
  if conv ~= '' then
    received = redis.call('HGET', KEYS[2], conv)
    if isLater(id, received) then
      redis.call('HSET', KEYS[2], conv, id)
      received = id
    end
    local acks = redis.call('HGET', KEYS[2], field)
    if isLater(id, acks) then
      local kept, count = { id .. '@' .. now }, 1
      for ack in string.gmatch(acks or '', '%S+') do
        if count >= tonumber(ARGV[1]) then break end
        count = count + 1
        kept[count] = ack
      end
      redis.call('HSET', KEYS[2], field, table.concat(kept, ' '))
    end
  end
  results[#results + 1] = received
  results[#results + 1] = redis.call('HGET', KEYS[1], ARGV[i + 3]) or ''
end
return results
