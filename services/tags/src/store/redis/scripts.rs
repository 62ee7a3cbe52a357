//! What Redis does in one moment.

/// Sets a blob only if it is still what the change was computed from and the user is not suppressed. Answers 0 when
/// somebody was faster.
pub(super) const COMPARE_AND_SET: &str = "\
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Sets a blob whatever was there, unless the user is suppressed: lifting must not bring back what came meanwhile.
pub(super) const SET_UNLESS_SUPPRESSED: &str = "\
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
redis.call('SET', KEYS[1], ARGV[1])
return 1";

/// Takes changes of the suppression list in, all in one moment, if the sentinel (KEYS[1]) is still what is expected
/// (ARGV[1]), and moves it (to ARGV[2]). KEYS go on with those of each user, ARGV[3] a user, the mark first; ARGV with
/// "1" for each user who is suppressed. Erasing comes first: a Redis that is full refuses a script whose first write
/// needs memory, and a suppression must not wait for that.
pub(super) const SUPPRESS: &str = "\
local is = redis.call('GET', KEYS[1])
if is ~= ARGV[1] then return is end
local width = tonumber(ARGV[3])
for i = 4, #ARGV do
  local first = 2 + (i - 4) * width
  redis.call('UNLINK', unpack(KEYS, first, first + width - 1))
  if ARGV[i] == '1' then redis.call('SET', KEYS[first], 1) end
end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]";
