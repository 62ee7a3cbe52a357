//! Targeting expressions, the search for matching line items, and explanations.
