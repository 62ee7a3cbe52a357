//! The ledger role: notices and spend.
