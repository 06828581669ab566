-- Gives a marker the version after its own: the last five of its sixteen digits count.
-- KEYS: the marker. ARGV: the version that it gets if it has none.
local stored = redis.pcall('GETRANGE', KEYS[1], 0, 16)
local version = ARGV[1]
if type(stored) == 'string' and #stored == 16 and not string.find(stored, '[^0-9a-f]') then
  local count = (tonumber(string.sub(stored, 12), 16) + 1) % 1048576
  local next = string.sub(stored, 1, 11) .. string.format('%05x', count)
  if string.find(next, '[^0]') then
    version = next
  end
end
redis.call('SET', KEYS[1], version)
return version
