//! A seeded exchange: bid requests, auctions, notices.
