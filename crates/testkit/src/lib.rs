//! Redis and PostgreSQL for tests, builders, a fake clock.
