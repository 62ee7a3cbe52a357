//! `loadtest`.

use std::process::ExitCode;

/// The bidder's allocator, so that the floor and the path differ in their work alone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tagbid_loadtest::commands::main()
}
