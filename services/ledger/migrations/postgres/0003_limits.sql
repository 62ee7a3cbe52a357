-- The latest change of the catalog whose budgets a ledger has set here: one that has read less sets none.
ALTER TABLE head ADD COLUMN catalog_revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN catalog_changed BIGINT NOT NULL DEFAULT -9223372036854775808;
