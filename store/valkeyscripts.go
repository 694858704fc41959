package store

// The scripts work on a record as encodeRecord lays it out, and on two indexes:
// sorted sets of the keys of a kind, and of those of an owner, by expiry. An
// index lives as long as its last record; entries of records that have expired
// are removed a few at a time by whoever writes next to them.
//
// KEYS: the record, the index of the kind. ARGV begins with the prefix of the
// indexes of owners and the key as the member of an index. Spans are relative,
// for the clock of the server need not be ours; what the server has not removed
// yet is judged by the clock of the caller.
const valkeyLibrary = `
local function expiry(r) return (struct.unpack('>I8', r, 10)) end
local function owner(r) return string.sub(r, 20, 19 + struct.unpack('>I2', r, 18)) end

local function index(name, member, score, ttl, before)
  local left = redis.call('PTTL', name)
  redis.call('ZADD', name, score, member)
  if ttl == '' then
    redis.call('PERSIST', name)
  elseif left ~= -1 and left < tonumber(ttl) then
    redis.call('PEXPIRE', name, ttl)
  end
  local dead = redis.call('ZRANGEBYSCORE', name, '-inf', before, 'LIMIT', 0, 8)
  if #dead > 0 then redis.call('ZREM', name, unpack(dead)) end
end

local function unindex(member, r)
  redis.call('ZREM', KEYS[2], member)
  if owner(r) ~= '' then redis.call('ZREM', ARGV[1] .. owner(r), member) end
end

local function put(r, member, score, ttl, before)
  if ttl == '' then
    redis.call('SET', KEYS[1], r)
  else
    redis.call('SET', KEYS[1], r, 'PX', ttl)
  end
  index(KEYS[2], member, score, ttl, before)
  if owner(r) ~= '' then index(ARGV[1] .. owner(r), member, score, ttl, before) end
end
`

// valkeyCreate has the further arguments: now, the time before which index
// entries are dead, expiry as a score, time to live or ”, and the record.
const valkeyCreate = valkeyLibrary + `
local old = redis.call('GET', KEYS[1])
if old and expiry(old) > tonumber(ARGV[3]) then return 0 end
put(ARGV[7], ARGV[2], ARGV[5], ARGV[6], ARGV[4])
if old and owner(old) ~= owner(ARGV[7]) and owner(old) ~= '' then
  redis.call('ZREM', ARGV[1] .. owner(old), ARGV[2])
end
return 1`

// valkeySwap has the arguments of valkeyCreate, with the record as it shall be,
// and its former version as 8 bytes.
const valkeySwap = valkeyLibrary + `
local old = redis.call('GET', KEYS[1])
if not old or expiry(old) <= tonumber(ARGV[3]) or string.sub(old, 2, 9) ~= ARGV[8]
  or owner(old) ~= owner(ARGV[7]) then return 0 end
put(ARGV[7], ARGV[2], ARGV[5], ARGV[6], ARGV[4])
return 1`

const valkeyDelete = valkeyLibrary + `
local old = redis.call('GET', KEYS[1])
if not old then return 0 end
redis.call('DEL', KEYS[1])
unindex(ARGV[2], old)
return 1`
