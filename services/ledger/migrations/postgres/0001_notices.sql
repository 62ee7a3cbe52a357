-- Every notice that was believed, once for each (exchange, bid, kind). A notice without a price has a key of its
-- own: an audit of the creative must not stand in the way of the sale.
CREATE TABLE notices (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange        TEXT NOT NULL,
    bid             TEXT NOT NULL,
    kind            TEXT NOT NULL,
    priced          BIGINT NOT NULL,
    outcome         TEXT NOT NULL,
    advertiser      BIGINT NOT NULL,
    campaign        BIGINT NOT NULL,
    line_item       BIGINT NOT NULL,
    creative        BIGINT NOT NULL,
    auction         TEXT NOT NULL,
    imp             TEXT NOT NULL,
    issued          BIGINT NOT NULL,
    received        BIGINT NOT NULL,
    price           BIGINT,
    max_price       BIGINT NOT NULL,
    currency        TEXT NOT NULL,
    charged         BIGINT NOT NULL,
    excess          BIGINT NOT NULL,
    budget_currency TEXT NOT NULL,
    day             BIGINT NOT NULL,
    loss_reason     BIGINT,
    min_to_win      BIGINT,
    UNIQUE (exchange, bid, kind, priced)
);
CREATE INDEX notices_by_line_item ON notices (line_item, seq);
CREATE INDEX notices_by_advertiser ON notices (advertiser, seq);

-- Sums of the notices, kept in the same transaction.
CREATE TABLE tallies (
    line_item   BIGINT NOT NULL,
    currency    TEXT NOT NULL,
    day         BIGINT NOT NULL,
    advertiser  BIGINT NOT NULL,
    campaign    BIGINT NOT NULL,
    spent       BIGINT NOT NULL,
    excess      BIGINT NOT NULL,
    wins        BIGINT NOT NULL,
    billed      BIGINT NOT NULL,
    losses      BIGINT NOT NULL,
    imps        BIGINT NOT NULL,
    clicks      BIGINT NOT NULL,
    unbilled    BIGINT NOT NULL,
    late        BIGINT NOT NULL,
    duplicates  BIGINT NOT NULL,
    quarantined BIGINT NOT NULL,
    PRIMARY KEY (line_item, currency, day)
);
CREATE INDEX tallies_by_advertiser ON tallies (advertiser, day);

-- Suspect notices, one row for each (exchange, bid, kind) however many come: a token that leaked cannot fill the disk.
CREATE TABLE quarantine (
    seq        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange   TEXT NOT NULL,
    bid        TEXT NOT NULL,
    kind       TEXT NOT NULL,
    advertiser BIGINT NOT NULL,
    campaign   BIGINT NOT NULL,
    line_item  BIGINT NOT NULL,
    reason     TEXT NOT NULL,
    price      BIGINT,
    times      BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    last_at    BIGINT NOT NULL,
    UNIQUE (exchange, bid, kind)
);
CREATE INDEX quarantine_by_advertiser ON quarantine (advertiser, seq);
