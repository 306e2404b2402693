-- seek: where a reader starts that may have only the newest `most` messages up to `head` ([D-3]).
-- KEYS  1 log
-- ARGV  1 head   2 most
-- returns {id of the oldest entry kept, id of the oldest entry to read}, or {} when the log is empty
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not first[1] then return {} end
-- Within an epoch seq is dense, so that entry can be named; only where an epoch began in between they are counted.
local epoch, seq = string.match(ARGV[1], '^(%d+)-(%d+)$')
local start = string.format('%s-%d', epoch, math.max(0, tonumber(seq) - tonumber(ARGV[2]) + 1))
local named = redis.call('XRANGE', KEYS[1], start, start)
if named[1] then return { first[1][1], start } end
local newest = redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])
if not newest[1] then return {} end
return { first[1][1], newest[#newest][1] }
