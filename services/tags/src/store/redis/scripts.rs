//! What Redis does in one moment.
//!
//! Positions are compared as Lua's numbers: exact below 2^53, which as microseconds are the year 2255.

/// Sets a blob only if it and what the list says of the user (KEYS[2], ARGV[6]) are still what the change was computed
/// from, the user is not suppressed and the store has all
/// that is required of it (KEYS[3] is the sentinel; ARGV[1] its life, or "" where nothing is required, ARGV[2] its
/// position). Answers 0 when somebody was faster, 3 when something was lost.
pub(super) const COMPARE_AND_SET: &str = "\
if ARGV[1] ~= '' then
  local life, at = string.match(redis.call('GET', KEYS[3]) or '', '^(%x+):(%d+)$')
  if life ~= ARGV[1] or tonumber(at) < tonumber(ARGV[2]) then return 3 end
end
local said = redis.call('GET', KEYS[2]) or ''
if said == '1' then return 2 end
if said ~= ARGV[6] then return 0 end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
return 1";

/// Sets blobs of one version, whatever was there, for different users of one shard, unless they are suppressed: lifting must
/// not bring back what came meanwhile. KEYS[1] is the sentinel and KEYS[2] the mark; then the blobs of all users, then their
/// signs of suppression, which also say when they were erased: blobs from before that are left out. ARGV[1] and ARGV[2] as
/// above, ARGV[3] is the version, ARGV[4] "open" where a missing mark is made, ARGV[5] the blobs' as-of time; then the blobs,
/// and where it is open after how many seconds Redis may forget each.
/// Counts who had no blob of it, in the mark too, and answers that (or [`ANEW`] less that). Nearly always the list says
/// nothing of anybody: then three commands do for all users, which is half of what three a user cost.
pub(super) const LOAD: &str = "\
if ARGV[1] ~= '' then
  local life, at = string.match(redis.call('GET', KEYS[1]) or '', '^(%x+):(%d+)$')
  if life ~= ARGV[1] or tonumber(at) < tonumber(ARGV[2]) then return -3 end
end
local mark = redis.call('GET', KEYS[2]) or ''
local from, to, state, users = string.find(mark, ';' .. ARGV[3] .. ':(%a):(%d+)')
if not from then
  if ARGV[4] ~= 'open' then return -4 end
  from, to, state, users = #mark + 1, #mark, 'w', 0
end
local n = (#KEYS - 2) / 2
local blobs, ends, size = {}, {}, 0
local clear = redis.call('EXISTS', unpack(KEYS, n + 3, 2 * n + 2)) == 0
local signs = clear and {} or redis.call('MGET', unpack(KEYS, n + 3, 2 * n + 2))
for i = 1, n do
  local said = signs[i]
  if not said or (tonumber(string.match(said, '^(%d+);')) or math.huge) < tonumber(ARGV[5]) then
    blobs[size + 1], blobs[size + 2] = KEYS[2 + i], ARGV[5 + i]
    size = size + 2
    ends[size] = ARGV[5 + n + i]
  end
end
if size == 0 then return 0 end
local fresh
if clear then
  fresh = n - redis.call('EXISTS', unpack(KEYS, 3, n + 2))
else
  fresh = size / 2
  for i = 1, size, 2 do fresh = fresh - redis.call('EXISTS', blobs[i]) end
end
redis.call('MSET', unpack(blobs))
if ARGV[4] == 'open' then
  for i = 2, size, 2 do redis.call('EXPIRE', blobs[i - 1], ends[i]) end
end
if fresh > 0 or to < from then
  users = string.format('%.0f', tonumber(users) + fresh)
  redis.call('SET', KEYS[2], string.sub(mark, 1, from - 1) .. ';' .. ARGV[3] .. ':' .. state .. ':' .. users .. string.sub(mark, to + 1))
end
if to < from then return -1000 - fresh end
return fresh";

/// What [`LOAD`] answers, less the users that it counts, when it made the mark.
pub(super) const ANEW: i64 = -1000;

/// Changes the mark of a version (ARGV[1]) in KEYS[1]: ARGV[2] is "open", "seal" or "remove", ARGV[3] how long the key may get.
/// Answers how many users there are.
pub(super) const MARK: &str = "\
local mark = redis.call('GET', KEYS[1]) or ''
local from, to, state, users = string.find(mark, ';' .. ARGV[1] .. ':(%a):(%d+)')
if ARGV[2] == 'open' then
  if from then return tonumber(users) end
  if #mark > tonumber(ARGV[3]) then return -5 end
  redis.call('SET', KEYS[1], mark .. ';' .. ARGV[1] .. ':l:0')
  return 0
elseif ARGV[2] == 'seal' then
  if not from then return -4 end
  if state == 'l' then
    redis.call('SET', KEYS[1], string.sub(mark, 1, from - 1) .. ';' .. ARGV[1] .. ':w:' .. users .. string.sub(mark, to + 1))
  end
  return tonumber(users)
end
if from then
  mark = string.sub(mark, 1, from - 1) .. string.sub(mark, to + 1)
  if mark == '' then redis.call('UNLINK', KEYS[1]) else redis.call('SET', KEYS[1], mark) end
end
return tonumber(users or 0)";

/// What the two above answer when there is no mark of the version, and when there is no room for another.
pub(super) const NO_MARK: i64 = -4;
pub(super) const NO_ROOM: i64 = -5;

/// What [`COMPARE_AND_SET`] answers when somebody was faster.
pub(super) const CHANGED_MEANWHILE: u8 = 0;

/// What it answers when the user is suppressed.
pub(super) const SUPPRESSED: u8 = 2;

/// What it answers when something was lost; [`LOAD`] answers it negative.
pub(super) const LOST: u8 = 3;

/// Gives a new life (ARGV[3]) to a sentinel (KEYS[1]) that is gone, or that is of that life (ARGV[1], "" for none) and
/// before that position (ARGV[2]). Answers what it is then.
pub(super) const BEGIN: &str = "\
local is = redis.call('GET', KEYS[1]) or ''
local life, at = string.match(is, '^(%x+):(%d+)$')
if is == '' then
  at = '0'
elseif life ~= ARGV[1] or tonumber(at) >= tonumber(ARGV[2]) then
  return is
end
is = ARGV[3] .. ':' .. at
redis.call('SET', KEYS[1], is)
return is";

/// Takes changes of the suppression list in, all in one moment, if the sentinel (KEYS[1]) is of that life (ARGV[1]) and
/// not before that position (ARGV[2]), and moves it (to ARGV[3]). Answers what it is then. KEYS go on with those of each
/// user, ARGV[4] a user, the mark first; ARGV with each user's position, the last at which everything of the user went,
/// and what the list says, "" for nothing; one who was only erased is remembered for 90 days. What the sentinel is past
/// already, somebody else has taken in. Erasing comes first: a Redis that is full refuses a script whose first
/// write needs memory, and a suppression must not wait for that.
pub(super) const SUPPRESS: &str = "\
local is = redis.call('GET', KEYS[1]) or ''
local life, at = string.match(is, '^(%x+):(%d+)$')
if life ~= ARGV[1] or tonumber(at) < tonumber(ARGV[2]) then return is end
local width = tonumber(ARGV[4])
for i = 5, #ARGV, 3 do
  if tonumber(ARGV[i]) > tonumber(at) then
    local first = 2 + (i - 5) / 3 * width
    local erase = tonumber(ARGV[i + 1]) > tonumber(at)
    redis.call('UNLINK', unpack(KEYS, first, first + (erase and width - 1 or 0)))
    local says = ARGV[i + 2]
    if string.sub(says, -1) == ';' then
      redis.call('SET', KEYS[first], says, 'EX', 7776000)
    elseif says ~= '' then
      redis.call('SET', KEYS[first], says)
    end
  end
end
if tonumber(ARGV[3]) <= tonumber(at) then return is end
is = life .. ':' .. ARGV[3]
redis.call('SET', KEYS[1], is)
return is";
