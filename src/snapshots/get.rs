//! `tagbid tags get`: what is known of one user, in words.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use tagbid_clients::{KnownUser, RawId, UserReader};
use tagbid_tagset::IdKind;

use super::{Server, in_words, kind};
use crate::out::out;

/// Whom, and where to ask.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The user's id; "-" reads it from the standard input, so that it stands neither in the shell's history nor among the
    /// processes.
    #[arg(value_name = "USER")]
    id: String,
    /// Kind of the id: buyeruid, eid, ifa or exchange_user.
    #[arg(long, value_name = "KIND", default_value = "ifa", value_parser = kind)]
    kind: IdKind,
    /// Where it is from: the domain of an eid, the exchange of an exchange_user.
    #[arg(long, value_name = "SOURCE", default_value = "")]
    source: String,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let id = if args.id == "-" { from_stdin()? } else { args.id };
    let endpoint = args.server.endpoint()?;
    let connected = UserReader::connect(&endpoint).await;
    let mut reader = connected.with_context(|| format!("--to {}", args.server.to))?;
    let known = reader.read(&RawId { kind: args.kind, source: args.source, id }).await?;
    show(&known, &mut out())?;
    Ok(ExitCode::SUCCESS)
}

fn from_stdin() -> anyhow::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("standard input")?;
    match line.trim() {
        "" => bail!("USER is -, but the standard input is empty: write the id there"),
        id => Ok(id.to_owned()),
    }
}

fn show(known: &KnownUser, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "user {}", known.key)?;
    if known.suppressed {
        return writeln!(out, "suppressed: nothing is kept or known of them");
    }
    for read in &known.datasets {
        let as_of =
            read.as_of.map_or_else(|| "written user by user".into(), |at| format!("as of {}", in_words(at)));
        let lost =
            if read.lost { "; the store has lost a part: what it says of the user is unknown" } else { "" };
        writeln!(out, "dataset {}: version {}, {as_of}{lost}", read.name, read.version)?;
    }
    if known.tags.is_empty() {
        writeln!(out, "no tags")?;
    } else {
        writeln!(
            out,
            "{:>10}  {:>6}  {:>8}  {:<20}  {:<28}  source",
            "tag", "weight", "age", "expires", "name"
        )?;
    }
    for tag in &known.tags {
        let expires = tag.expires.map_or_else(|| "never".into(), in_words);
        let (age, weight) = (age(tag.age_s), tag.weight);
        writeln!(
            out,
            "{:>10}  {weight:>6}  {age:>8}  {expires:<20}  {:<28}  {}",
            tag.id, tag.name, tag.source
        )?;
    }
    for count in &known.counts {
        let [hour, day, week, total] = count.windows;
        let kind = count.kind.replace('_', " ");
        writeln!(
            out,
            "{kind} {}: shown {hour} times in the last hour, {day} in a day, {week} in a week, {total} in all",
            count.id
        )?;
    }
    Ok(())
}

/// In the largest unit of which there are two or more.
fn age(seconds: u32) -> String {
    const UNITS: [(u32, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let unit = UNITS.into_iter().find(|(unit, _)| seconds >= 2 * unit).unwrap_or((1, "s"));
    format!("{} {}", seconds / unit.0, unit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_a_unit_that_says_something() {
        let told = [0, 1, 119, 120, 7_199, 7_200, 172_799, 172_800, u32::MAX].map(age);
        assert_eq!(told, ["0 s", "1 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "49710 d"]);
    }

    #[test]
    fn of_somebody_suppressed_nothing_more_is_said() {
        let mut out = Vec::new();
        let known = KnownUser { key: "k".into(), suppressed: true, ..KnownUser::default() };
        show(&known, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "user k\nsuppressed: nothing is kept or known of them\n");
    }
}
