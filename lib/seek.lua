-- seek: where a reader starts that may have only the newest `most` messages up to `head` ([D-3]).
-- KEYS  1 log
-- ARGV  1 head   2 most
-- returns {id of the oldest entry kept, id of the oldest entry to read}, or {} when the log is empty
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not first[1] then return {} end
local newest = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
if not newest[1] then return {} end
return { first[1][1], newest[#newest][1] }
