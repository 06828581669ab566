-- Removes a visible entry and answers it.
-- KEYS: the entry, the generation's marker. ARGV: now, generation, schema, the most bytes of an entry.
local head = read_head(KEYS[1])
if not judge(head, tonumber(ARGV[1]), current(KEYS[2], ARGV[2]), ARGV[3]) then
  return 0
end
if redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[4]) then
  return 0
end
local entry = redis.call('GET', KEYS[1])
redis.call('UNLINK', KEYS[1])
return entry
