//! From a line item's bid rules to the price of a bid.
