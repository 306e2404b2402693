-- createField: makes one field of a hash.
-- KEYS  1 hash
-- ARGV  1 field   2 value
-- returns 1 when it holds this value now (also when it did before: the call may be repeated), 0 when it is another's
local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and value ~= ARGV[2] then return 0 end
-- Written in either case: whether replicas have it is asked right after this, of what this connection has written.
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
