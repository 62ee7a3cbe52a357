-- The list of suppressed users becomes the list of people. Positions are microseconds since 1970.

-- Position of the last change at which everything that was kept of the id went, 0 for never.
ALTER TABLE suppressions ADD COLUMN erased BIGINT NOT NULL DEFAULT 0;
-- The person whose ids these are: a number that no other person has or had.
ALTER TABLE suppressions ADD COLUMN person BIGINT;
-- Version of the MAC key that made the user key, where anybody knows.
ALTER TABLE suppressions ADD COLUMN mac BIGINT;
UPDATE suppressions SET erased = revision;
CREATE INDEX suppressions_by_person ON suppressions (person) WHERE person IS NOT NULL;

-- MAC keys that this deployment has used, by fingerprints that say nothing of their secrets.
CREATE TABLE mac_keys (
    version BIGINT PRIMARY KEY,
    fingerprint TEXT NOT NULL
);
