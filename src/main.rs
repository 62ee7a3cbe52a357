//! `tagbid`: one binary, four roles. Reads its settings, starts the roles that the command names, and drains on
//! SIGTERM.

mod about;
mod cli;
mod compose;
mod demo;
mod events;
mod front;
mod notices;
mod out;
mod replay;
mod report;
mod settings;
mod snapshots;
mod users;
mod words;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
