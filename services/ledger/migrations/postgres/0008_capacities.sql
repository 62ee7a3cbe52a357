-- Capacities: accounts and leases that count impressions (unit 1) beside those that count money (unit 0).
ALTER TABLE accounts ADD COLUMN unit BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ALTER COLUMN unit DROP DEFAULT;
ALTER TABLE accounts RENAME COLUMN limit_nanos TO limit_amount;
ALTER TABLE accounts DROP CONSTRAINT accounts_pkey;
ALTER TABLE accounts ADD PRIMARY KEY (owner_kind, owner, unit, day);

ALTER TABLE leases ADD COLUMN unit BIGINT NOT NULL DEFAULT 0;

-- Impressions that were billed above a capacity.
ALTER TABLE notices ADD COLUMN over_capacity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tallies ADD COLUMN over_capacity BIGINT NOT NULL DEFAULT 0;

-- What was billed before there were such accounts: a capacity for ever counts it.
CREATE TEMPORARY TABLE shown AS
SELECT advertiser, campaign, line_item, day, SUM(GREATEST((quantity + 999999) / 1000000, 1)) AS impressions
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
