-- throttleAccount: the growing pause after failed log-ins of one account ([A-5]).
-- KEYS  1 hash {failures, until}
-- ARGV  1 "look", "fail" or "clear"   2 failures that cost nothing   3 first pause in ms   4 longest pause in ms
-- returns the ms until the next attempt is looked at, 0 when it may come now
if ARGV[1] == 'clear' then
  redis.call('DEL', KEYS[1])
  return 0
end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
if ARGV[1] == 'look' then
  return math.max(tonumber(redis.call('HGET', KEYS[1], 'until') or '0') - now, 0)
end
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
local over = failures - tonumber(ARGV[2])
local pause = 0
if over >= 0 then pause = math.min(tonumber(ARGV[3]) * 2 ^ math.min(over, 30), tonumber(ARGV[4])) end
redis.call('HSET', KEYS[1], 'until', string.format('%d', now + pause))
redis.call('PEXPIRE', KEYS[1], 2 * tonumber(ARGV[4]))
return pause
