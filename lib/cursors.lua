-- cursors: moves cursors of one user forward, never back ([D-2]).
-- KEYS  1 hash of cursors
-- ARGV  pairs: field, id
-- returns how many moved
local moved = 0
for i = 1, #ARGV, 2 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  local forward = true
  if old then
    local oldEpoch, oldSeq = string.match(old, '^(%d+)-(%d+)$')
    local epoch, seq = string.match(ARGV[i + 1], '^(%d+)-(%d+)$')
    oldEpoch, oldSeq, epoch, seq = tonumber(oldEpoch), tonumber(oldSeq), tonumber(epoch), tonumber(seq)
    forward = epoch > oldEpoch or (epoch == oldEpoch and seq > oldSeq)
  end
  if forward then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    moved = moved + 1
  end
end
return moved
