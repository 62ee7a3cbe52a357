//! The bidder role: the bid path.
