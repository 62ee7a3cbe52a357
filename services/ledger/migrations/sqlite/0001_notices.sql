-- STRICT: a sum beyond 64 bits is refused, where SQLite would go on with a rounded float.

-- Every notice that was believed, once for each (exchange, bid, kind). A notice without a price has a key of its
-- own: an audit of the creative must not stand in the way of the sale.
CREATE TABLE notices (
    seq             INTEGER PRIMARY KEY,
    exchange        TEXT NOT NULL,
    bid             TEXT NOT NULL,
    kind            TEXT NOT NULL,
    priced          INTEGER NOT NULL,
    outcome         TEXT NOT NULL,
    advertiser      INTEGER NOT NULL,
    campaign        INTEGER NOT NULL,
    line_item       INTEGER NOT NULL,
    creative        INTEGER NOT NULL,
    auction         TEXT NOT NULL,
    imp             TEXT NOT NULL,
    issued          INTEGER NOT NULL,
    received        INTEGER NOT NULL,
    price           INTEGER,
    max_price       INTEGER NOT NULL,
    currency        TEXT NOT NULL,
    charged         INTEGER NOT NULL,
    excess          INTEGER NOT NULL,
    budget_currency TEXT NOT NULL,
    day             INTEGER NOT NULL,
    loss_reason     INTEGER,
    min_to_win      INTEGER,
    UNIQUE (exchange, bid, kind, priced)
) STRICT;
CREATE INDEX notices_by_line_item ON notices (line_item, seq);
CREATE INDEX notices_by_advertiser ON notices (advertiser, seq);

-- Sums of the notices, kept in the same transaction.
CREATE TABLE tallies (
    line_item   INTEGER NOT NULL,
    currency    TEXT NOT NULL,
    day         INTEGER NOT NULL,
    advertiser  INTEGER NOT NULL,
    campaign    INTEGER NOT NULL,
    spent       INTEGER NOT NULL,
    excess      INTEGER NOT NULL,
    wins        INTEGER NOT NULL,
    billed      INTEGER NOT NULL,
    losses      INTEGER NOT NULL,
    imps        INTEGER NOT NULL,
    clicks      INTEGER NOT NULL,
    unbilled    INTEGER NOT NULL,
    late        INTEGER NOT NULL,
    duplicates  INTEGER NOT NULL,
    quarantined INTEGER NOT NULL,
    PRIMARY KEY (line_item, currency, day)
) STRICT;
CREATE INDEX tallies_by_advertiser ON tallies (advertiser, day);

-- Suspect notices, one row for each (exchange, bid, kind) however many come: a token that leaked cannot fill the disk.
CREATE TABLE quarantine (
    seq        INTEGER PRIMARY KEY,
    exchange   TEXT NOT NULL,
    bid        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    advertiser INTEGER NOT NULL,
    campaign   INTEGER NOT NULL,
    line_item  INTEGER NOT NULL,
    reason     TEXT NOT NULL,
    price      INTEGER,
    times      INTEGER NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    UNIQUE (exchange, bid, kind)
) STRICT;
CREATE INDEX quarantine_by_advertiser ON quarantine (advertiser, seq);
