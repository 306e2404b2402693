-- throttle: counts an event against a window.
-- KEYS  1 counter
-- ARGV  1 window in ms   2 most in a window   3 how many to add (0 = only look)
-- returns 0 when there is room, else the ms until the window ends
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count >= tonumber(ARGV[2]) then return math.max(redis.call('PTTL', KEYS[1]), 1) end
if tonumber(ARGV[3]) > 0 then
  if redis.call('INCRBY', KEYS[1], ARGV[3]) == tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
end
return 0
