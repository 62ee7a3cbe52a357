//! The campaigns role: what advertisers configure.
