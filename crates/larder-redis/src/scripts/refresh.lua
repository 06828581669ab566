-- Grants the right to replace an entry that is there (P3): a lease beside it, which saves work and not safety.
-- KEYS: the entry, the lease.
-- ARGV: the seen beginning of the entry, token, generation, until when in milliseconds, for how many.
if redis.call('GETRANGE', KEYS[1], 0, 39) ~= ARGV[1] then
  return 0
end
local held = redis.call('GET', KEYS[2])
-- A lease on what is no longer there has ended, and so has one from before a clear.
if held and string.sub(held, 9, 16) == ARGV[3] and string.sub(held, 25) == ARGV[1] then
  return string.sub(held, 1, 24)
end
redis.call('SET', KEYS[2], ARGV[2] .. ARGV[3] .. ARGV[4] .. ARGV[1], 'PX', ARGV[5])
return 1
