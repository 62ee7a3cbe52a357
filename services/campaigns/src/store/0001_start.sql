-- Everything that SQLite and PostgreSQL understand alike: text, 64-bit integers, moments as microseconds in UTC.

-- Counters: the catalog's revision, the suppression list's, and the next id of each kind. The row of `revision` is what
-- writers lock.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO meta (name, value) VALUES
    ('revision', 0), ('suppression', 0),
    ('next_advertiser', 1), ('next_campaign', 1), ('next_line_item', 1), ('next_creative', 1),
    ('next_deal', 1), ('next_list', 1), ('next_dataset', 1), ('next_tag_definition', 1);

-- Entities as they are now. `owner` is an advertiser's id, 0 for the operator's.
CREATE TABLE entities (
    kind TEXT NOT NULL,
    id BIGINT NOT NULL,
    owner BIGINT NOT NULL,
    parent_kind TEXT,
    parent BIGINT,
    unique_key TEXT,
    revision BIGINT NOT NULL UNIQUE,
    archived BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, id),
    FOREIGN KEY (parent_kind, parent) REFERENCES entities (kind, id)
);
CREATE INDEX entities_by_owner ON entities (kind, owner, id);
CREATE INDEX entities_by_parent ON entities (kind, parent, id);
-- Archived entities give their name free.
CREATE UNIQUE INDEX entities_by_unique_key ON entities (kind, owner, unique_key)
    WHERE unique_key IS NOT NULL AND archived = 0;

-- The last changes, for readers that were away for a while.
CREATE TABLE changes (
    revision BIGINT PRIMARY KEY,
    body TEXT NOT NULL
);

-- Answers to requests that carried an id, for a day.
CREATE TABLE requests (
    principal TEXT NOT NULL,
    request_id TEXT NOT NULL,
    digest TEXT NOT NULL,
    answer TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    PRIMARY KEY (principal, request_id)
);
CREATE INDEX requests_by_time ON requests (made_at);

-- Users under their keys, never under their ids. One who came back stays with suppressed = 0.
CREATE TABLE suppressions (
    user_key TEXT PRIMARY KEY,
    revision BIGINT NOT NULL UNIQUE,
    suppressed BIGINT NOT NULL
);

-- Who changed what and when, for ever.
CREATE TABLE audit (
    made_at BIGINT NOT NULL,
    principal TEXT NOT NULL,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    id BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX audit_by_entity ON audit (kind, id, revision);
