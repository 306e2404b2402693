-- login: makes a log-in the newest one of its device, and tells the servers that hold older ones ([L-7]).
-- KEYS  1 hash of cursors of the user
-- ARGV  1 field of the device's newest log-in   2 channel of the user   3 what is published, the number follows it
--       4 command that publishes
-- returns the number of the log-in: higher than that of every earlier one of this device, on whatever server
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local last = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local number = string.format('%.0f', math.max(now, last + 1))
redis.call('HSET', KEYS[1], ARGV[1], number)
redis.call(ARGV[4], ARGV[2], ARGV[3] .. number)
return number
