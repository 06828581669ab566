-- What stands under a key, judged as the client would: docs/wire-format.md has the layout.
local HEADER = 48
local ENDLESS = 1099511627775
local CRC = {
  [0] = 0, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
  0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
}

local function crc(state, text)
  for at = 1, #text do
    local byte = string.byte(text, at)
    state = bit.bxor(bit.rshift(state, 4), CRC[bit.band(bit.bxor(state, byte), 15)])
    state = bit.bxor(bit.rshift(state, 4), CRC[bit.band(bit.bxor(state, bit.rshift(byte, 4)), 15)])
  end
  return state
end

local function number(text, first, last)
  local sum = 0
  for at = first, last do
    sum = sum * 256 + string.byte(text, at)
  end
  return sum
end

-- The checksum of a header: over the name, the first 24 bytes, and the extension.
local function checksum(key, head, extension)
  return bit.tobit(bit.bnot(crc(crc(crc(bit.bnot(0), key), string.sub(head, 1, 24)), extension)))
end

-- The head of an entry of ours whose checksum holds, the place of its payload, and its extension; nil for
-- anything else, with the word 'foreign' for what is not ours to replace, or of a later format.
local function read_head(key)
  local head = redis.call('GETRANGE', key, 0, HEADER - 1)
  if #head > 0 and (string.byte(head, 1) ~= 0xC1 or (string.byte(head, 2) or 0) > 1) then
    return nil, 'foreign'
  end
  if #head < HEADER or string.byte(head, 2) ~= 1 then
    return nil
  end
  local flags = string.byte(head, 4)
  local payload, extension = HEADER, ''
  if bit.band(flags, 4) ~= 0 then
    local length = redis.call('GETRANGE', key, HEADER, HEADER + 1)
    if #length < 2 then
      return nil
    end
    payload = HEADER + 2 + number(length, 1, 2)
    extension = redis.call('GETRANGE', key, HEADER, payload - 1)
  end
  if checksum(key, head, extension) ~= bit.tobit(number(head, 41, 44)) then
    return nil
  end
  return head, payload, extension
end

-- The generation that counts: the marker's, for a caller who goes by generations and may not have heard of
-- the latest; '' for one who doesn't.
local function current(marker, generation)
  if generation == '' then
    return ''
  end
  local stored = redis.pcall('GETRANGE', marker, 0, 16)
  if type(stored) ~= 'string' or #stored ~= 16 or not string.find(stored, '^%x+$') then
    return generation
  end
  return (string.gsub(stored, '%x%x', function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- Whether the head is fresh at `now`, holds a value, and is of the generation and schema asked for.
local function judge(head, now, generation, schema)
  if not head then
    return false
  end
  local kind = bit.band(string.byte(head, 4), 3)
  local life = math.min(number(head, 31, 35), number(head, 36, 40))
  local ended = life ~= ENDLESS and now >= number(head, 25, 30) + life
  return kind <= 1 and not ended
    and (schema == '' or string.sub(head, 5, 8) == schema)
    and (generation == '' or string.sub(head, 17, 24) == generation)
end

local function word(state)
  return string.char(
    bit.band(bit.rshift(state, 24), 255), bit.band(bit.rshift(state, 16), 255),
    bit.band(bit.rshift(state, 8), 255), bit.band(state, 255))
end

-- An entry on its way to the store, of the generation that counts.
local function stamped(key, entry, generation)
  local stamp = string.sub(entry, 17, 24)
  if generation == '' or stamp == generation or stamp == string.rep('\0', 8) then
    return entry
  end
  local head, extension = string.sub(entry, 1, 16) .. generation, ''
  if bit.band(string.byte(entry, 4), 4) ~= 0 then
    extension = string.sub(entry, HEADER + 1, HEADER + 2 + number(entry, HEADER + 1, HEADER + 2))
  end
  return head .. string.sub(entry, 25, 40) .. word(checksum(key, head, extension)) .. string.sub(entry, 45)
end

local function store(key, entry, ttl)
  if ttl == '' then
    redis.call('SET', key, entry)
  elseif ttl == '0' then
    redis.call('UNLINK', key)
  else
    redis.call('SET', key, entry, 'PX', ttl)
  end
end
