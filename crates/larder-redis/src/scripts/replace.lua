-- Stores an entry on a condition: nothing is visible, or what is visible has this id.
-- KEYS: the entry, the generation's marker.
-- ARGV: now, generation, schema, the entry, its milliseconds, the id ('' for none).
-- Answers whether it is stored; 3 if what is there is not ours to replace.
local head, foreign = read_head(KEYS[1])
if foreign == 'foreign' and ARGV[6] == '' then
  return 3
end
local generation = current(KEYS[2], ARGV[2])
local visible = judge(head, tonumber(ARGV[1]), generation, ARGV[3])
local holds = not visible
if ARGV[6] ~= '' then
  holds = visible and string.sub(head, 9, 16) == ARGV[6]
end
if not holds then
  return 0
end
store(KEYS[1], stamped(KEYS[1], ARGV[4], generation), ARGV[5])
return 1
