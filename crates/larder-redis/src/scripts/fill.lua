-- Stores what was loaded, if what was seen when the lease was granted is still there (P4), and ends the lease.
-- KEYS: the entry, the lease of a refresh if there is one.
-- ARGV: the seen beginning of the entry, the new entry, its milliseconds ('' for ever, 0 none), the lease's token.
local lease = KEYS[2]
if lease and redis.call('GETRANGE', lease, 0, 7) ~= ARGV[4] then
  return 0
end
local there = redis.pcall('GETRANGE', KEYS[1], 0, 39)
local stands = type(there) == 'string' and there == ARGV[1]
if lease then
  redis.call('UNLINK', lease)
end
if not stands then
  return 0
end
if ARGV[3] == '' then
  redis.call('SET', KEYS[1], ARGV[2])
elseif ARGV[3] == '0' then
  redis.call('UNLINK', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
