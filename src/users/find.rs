//! Looks through every key of the tag store for what is left of somebody.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use tagbid_clients::{KeyFinder, RawId};

use super::lines::Lines;
use super::{FindArgs, endpoint};
use crate::cli::complain;
use crate::out::{is_closed, out};
use crate::words::count;

/// Users of one walk through the store.
const USERS: usize = 1_000;

/// What `grep` ends with too.
const FOUND: ExitCode = ExitCode::SUCCESS;
const NOBODY: ExitCode = ExitCode::FAILURE;
const FAILED: u8 = 2;

/// Looks. That nothing is left is only said by whoever has looked at every key: an error has an exit code of its own.
pub(super) async fn run(args: FindArgs) -> ExitCode {
    match find(&args).await {
        Ok(0) => NOBODY,
        Ok(_) => FOUND,
        Err(_) if is_closed() => FOUND,
        Err(error) => complain(&format!("{error:#}"), ExitCode::from(FAILED)),
    }
}

/// Prints the names of keys that hold something of the users, and how many there are; those that only say that somebody is
/// suppressed, erased or linked are counted apart.
async fn find(args: &FindArgs) -> anyhow::Result<u64> {
    let endpoint = endpoint(&args.to, &args.ids.token)?;
    let mut finder = KeyFinder::connect(&endpoint).await.with_context(|| format!("--to {}", args.to))?;
    let (mut lines, mut found, mut listed, mut all) = (Lines::new(&args.ids), 0_u64, 0_u64, 0_u64);
    loop {
        let users = next_users(&mut lines)?;
        if users.is_empty() {
            break;
        }
        all += users.len() as u64;
        finder
            .find(&users, |key| {
                if key.starts_with("x:") {
                    listed += 1;
                    return Ok(());
                }
                found += 1;
                writeln!(out(), "{key}")
            })
            .await?;
    }
    writeln!(
        out(),
        "{}: {} something of them, {} of the list of people",
        count(all, "id", "ids"),
        count(found, "key holds", "keys hold"),
        count(listed, "is", "are")
    )?;
    Ok(found)
}

fn next_users(lines: &mut Lines<'_>) -> anyhow::Result<Vec<RawId>> {
    let mut users = Vec::new();
    while users.len() < USERS - 16 {
        let Some(line) = lines.next()? else { break };
        // Of somebody whom nobody can name nothing can be proven: better to stop.
        users.extend(line.person.map_err(|problem| anyhow::anyhow!("line {}: {problem}", line.number))?);
    }
    Ok(users)
}
