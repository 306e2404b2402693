-- replaceField: compare-and-set of one hash field.
-- KEYS  1 hash
-- ARGV  1 field   2 value expected   3 value wanted
-- returns 1 when it is wanted now (also when it was so before: the call may be repeated), 0 when it is something else
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value == ARGV[2] then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return (value == ARGV[2] or value == ARGV[3]) and 1 or 0
