-- Adds to a counter. Present: it gets the template's id, and the rest of it stays. Absent: begins with the
-- template.
-- KEYS: the entry, the generation's marker.
-- ARGV: now, generation, schema, the template with the first number in it, its milliseconds, what to add.
-- Answers the sum's eight bytes; 1 if it is no counter, 2 if the sum can't be kept, 3 if it is not ours.
local head, payload, extension = read_head(KEYS[1])
if payload == 'foreign' then
  return 3
end
local generation = current(KEYS[2], ARGV[2])
if not judge(head, tonumber(ARGV[1]), generation, ARGV[3]) then
  store(KEYS[1], stamped(KEYS[1], ARGV[4], generation), ARGV[5])
  return string.sub(ARGV[4], -8)
end
if bit.band(string.byte(head, 4), 3) ~= 1 or redis.call('STRLEN', KEYS[1]) ~= payload + 8 then
  return 1
end
-- The server adds: a number of Lua's has 53 bits.
local sum = redis.call('BITFIELD', KEYS[1], 'OVERFLOW', 'FAIL', 'INCRBY', 'i64', payload * 8, ARGV[6])
if not sum[1] then
  return 2
end
local id = string.sub(ARGV[4], 9, 16)
local state = checksum(KEYS[1], string.sub(head, 1, 8) .. id .. string.sub(head, 17, 24), extension)
redis.call('SETRANGE', KEYS[1], 8, id)
redis.call('SETRANGE', KEYS[1], 40, word(state))
return redis.call('GETRANGE', KEYS[1], payload, payload + 7)
