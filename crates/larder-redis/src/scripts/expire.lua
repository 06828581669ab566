-- Gives a visible entry other times; id and creation stay.
-- KEYS: the entry, the generation's marker.
-- ARGV: now, generation, schema,
--       fresh until and expires at in milliseconds ('' for ever), milliseconds to live ('' for ever, 0 none).
local head = read_head(KEYS[1])
if not judge(head, tonumber(ARGV[1]), current(KEYS[2], ARGV[2]), ARGV[3]) then
  return 0
end
local function span(point)
  if point == '' then
    return string.rep('\255', 5)
  end
  local rest = math.min(math.max(tonumber(point) - number(head, 25, 30), 0), ENDLESS - 1)
  local bytes = {}
  for at = 5, 1, -1 do
    bytes[at] = string.char(rest % 256)
    rest = math.floor(rest / 256)
  end
  return table.concat(bytes)
end
if ARGV[6] == '0' then
  redis.call('UNLINK', KEYS[1])
  return 1
end
redis.call('SETRANGE', KEYS[1], 30, span(ARGV[4]) .. span(ARGV[5]))
if ARGV[6] == '' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
return 1
