-- Capacities: accounts and leases that count impressions (unit 1) beside those that count money (unit 0).

-- SQLite changes no key in place.
ALTER TABLE accounts RENAME TO accounts_of_money;
CREATE TABLE accounts (
    owner_kind     INTEGER NOT NULL,
    owner          INTEGER NOT NULL,
    unit           INTEGER NOT NULL,
    day            INTEGER NOT NULL,
    limit_amount   INTEGER,
    leased         INTEGER NOT NULL,
    held           INTEGER NOT NULL,
    spent          INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    PRIMARY KEY (owner_kind, owner, unit, day)
) STRICT;
INSERT INTO accounts (owner_kind, owner, unit, day, limit_amount, leased, held, spent, seq)
SELECT owner_kind, owner, 0, day, limit_nanos, leased, held, spent, seq FROM accounts_of_money;
DROP TABLE accounts_of_money;
CREATE INDEX accounts_by_seq ON accounts (seq);

ALTER TABLE leases ADD COLUMN unit INTEGER NOT NULL DEFAULT 0;

-- Impressions that were billed above a capacity.
ALTER TABLE notices ADD COLUMN over_capacity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tallies ADD COLUMN over_capacity INTEGER NOT NULL DEFAULT 0;

-- What was billed before there were such accounts: a capacity for ever counts it.
CREATE TEMPORARY TABLE shown AS
SELECT advertiser, campaign, line_item, day, SUM(MAX((quantity + 999999) / 1000000, 1)) AS impressions
FROM notices WHERE outcome = 'billed' GROUP BY advertiser, campaign, line_item, day;
INSERT INTO accounts (owner_kind, owner, unit, day, leased, held, spent, seq)
SELECT 3, line_item, 1, day, 0, 0, SUM(impressions), 0 FROM shown GROUP BY line_item, day;
INSERT INTO accounts (owner_kind, owner, unit, day, leased, held, spent, seq)
SELECT 3, line_item, 1, -2147483649, 0, 0, SUM(impressions), 0 FROM shown GROUP BY line_item;
INSERT INTO accounts (owner_kind, owner, unit, day, leased, held, spent, seq)
SELECT 2, campaign, 1, day, 0, 0, SUM(impressions), 0 FROM shown GROUP BY campaign, day;
INSERT INTO accounts (owner_kind, owner, unit, day, leased, held, spent, seq)
SELECT 2, campaign, 1, -2147483649, 0, 0, SUM(impressions), 0 FROM shown GROUP BY campaign;
INSERT INTO accounts (owner_kind, owner, unit, day, leased, held, spent, seq)
SELECT 1, advertiser, 1, day, 0, 0, SUM(impressions), 0 FROM shown GROUP BY advertiser, day;
INSERT INTO accounts (owner_kind, owner, unit, day, leased, held, spent, seq)
SELECT 1, advertiser, 1, -2147483649, 0, 0, SUM(impressions), 0 FROM shown GROUP BY advertiser;
DROP TABLE shown;
