//! Sealed notice tokens and price macros.
