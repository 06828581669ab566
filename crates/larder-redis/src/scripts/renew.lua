-- Has a lease kept for longer, if it is still that one (P6): the placeholder, or the lease beside an entry.
-- KEYS: the entry, the lease. ARGV: the token, for how many milliseconds from now.
local there = redis.pcall('GETRANGE', KEYS[1], 0, 15)
if type(there) == 'string' and string.sub(there, 9, 16) == ARGV[1] and string.byte(there, 1) == 0xC1
    and bit.band(string.byte(there, 4), 3) == 3 then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
there = redis.pcall('GETRANGE', KEYS[2], 0, 7)
if type(there) == 'string' and there == ARGV[1] then
  return redis.call('PEXPIRE', KEYS[2], ARGV[2])
end
return 0
