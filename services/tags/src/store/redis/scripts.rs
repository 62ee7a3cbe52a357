//! What Redis does in one moment.
//!
//! Positions are compared as Lua's numbers: exact below 2^53, which as microseconds are the year 2255.

/// Sets a blob only if it is still what the change was computed from, the user is not suppressed and the store has all
/// that is required of it (KEYS[3] is the sentinel; ARGV[1] its life, or "" where nothing is required, ARGV[2] its
/// position). Answers 0 when somebody was faster, 3 when something was lost.
pub(super) const COMPARE_AND_SET: &str = "\
if ARGV[1] ~= '' then
  local life, at = string.match(redis.call('GET', KEYS[3]) or '', '^(%x+):(%d+)$')
  if life ~= ARGV[1] or tonumber(at) < tonumber(ARGV[2]) then return 3 end
end
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
return 1";

/// Sets a blob whatever was there, unless the user is suppressed: lifting must not bring back what came meanwhile.
/// Otherwise as above.
pub(super) const SET_UNLESS_SUPPRESSED: &str = "\
if ARGV[1] ~= '' then
  local life, at = string.match(redis.call('GET', KEYS[3]) or '', '^(%x+):(%d+)$')
  if life ~= ARGV[1] or tonumber(at) < tonumber(ARGV[2]) then return 3 end
end
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
redis.call('SET', KEYS[1], ARGV[3])
return 1";

/// What the first answers when somebody was faster.
pub(super) const CHANGED_MEANWHILE: u8 = 0;

/// What the two above answer when the user is suppressed.
pub(super) const SUPPRESSED: u8 = 2;

/// What the two above answer when something was lost.
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
/// user, ARGV[4] a user, the mark first; ARGV with each user's position and "1" for who is suppressed. What the sentinel
/// is past already, somebody else has taken in. Erasing comes first: a Redis that is full refuses a script whose first
/// write needs memory, and a suppression must not wait for that.
pub(super) const SUPPRESS: &str = "\
local is = redis.call('GET', KEYS[1]) or ''
local life, at = string.match(is, '^(%x+):(%d+)$')
if life ~= ARGV[1] or tonumber(at) < tonumber(ARGV[2]) then return is end
local width = tonumber(ARGV[4])
for i = 5, #ARGV, 2 do
  if tonumber(ARGV[i]) > tonumber(at) then
    local first = 2 + (i - 5) / 2 * width
    redis.call('UNLINK', unpack(KEYS, first, first + width - 1))
    if ARGV[i + 1] == '1' then redis.call('SET', KEYS[first], 1) end
  end
end
if tonumber(ARGV[3]) <= tonumber(at) then return is end
is = life .. ':' .. ARGV[3]
redis.call('SET', KEYS[1], is)
return is";
