//! `bench NAME [ARGS...]`: benchmarks by name. A new one is a line in [`BENCHES`].

use crate::failure::Failure;
use crate::{setup, shell};

struct Bench {
    name: &'static str,
    about: &'static str,
    /// What cargo gets, for each program; more arguments of the user follow.
    cargo: &'static [&'static [&'static str]],
    /// In target/bench: the programs add their figures to it, one after the other.
    file: Option<&'static str>,
    /// A program that it runs, of the Debian package of that name.
    program: Option<&'static str>,
}

/// Tells programs where their figures go.
const FILE: &str = "TAGBID_BENCH_FILE";

const BENCHES: [Bench; 6] = [
    Bench {
        name: "ingest",
        about: "events a second into Redis, and how soon another node's lookups see them",
        cargo: &[&["bench", "--locked", "-p", "tagbid-tags", "--bench", "ingest"]],
        file: None,
        program: None,
    },
    Bench {
        name: "loadtest",
        about: "the load tester's throughput beside wrk's (Debian's package); writes target/bench/loadtest.json",
        cargo: &[&["run", "--locked", "--release", "-p", "tagbid-loadtest", "--", "bench-wrk"]],
        file: None,
        program: Some("wrk"),
    },
    Bench {
        name: "pacing",
        about: "spend beside its plan over simulated days; writes target/bench/pacing.json and pacing.svg",
        cargo: &[&["run", "--locked", "--release", "-p", "tagbid-sim", "--bin", "pacing", "--"]],
        file: None,
        program: None,
    },
    Bench {
        name: "path",
        about: "CPU per bid request by stage, beside the transport floor; writes target/bench/path.json",
        cargo: &[&["run", "--locked", "--release", "-p", "tagbid-loadtest", "--", "bench-path"]],
        file: None,
        program: None,
    },
    Bench {
        name: "tags",
        about: "imports, lookups and events of tags: CPU, time, bytes, 10,000 bidders at once; writes target/bench/tags.json",
        cargo: &[
            &["bench", "--locked", "-p", "tagbid-tags", "--bench", "load", "--"],
            &["bench", "--locked", "-p", "tagbid-tags", "--bench", "lookups", "--"],
            &["bench", "--locked", "-p", "tagbid-tags", "--bench", "lookups", "--", "reconnect"],
            &["bench", "--locked", "-p", "tagbid-tags", "--bench", "ingest", "--"],
        ],
        file: Some("tags.json"),
        program: None,
    },
    Bench {
        name: "targeting",
        about: "the search beside the oracle scan and a-tree; writes target/bench/targeting.json",
        cargo: &[&["bench", "--locked", "-p", "tagbid-targeting", "--bench", "targeting", "--"]],
        file: None,
        program: None,
    },
];

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = args.split_first() else {
        return Err(Failure::usage(known("which bench?")));
    };
    let bench = find(name)?;
    if let Some(program) = bench.program {
        setup::program(program)?;
    }
    let file = bench.file.map(|file| shell::root().join("target/bench").join(file));
    if let Some(file) = &file {
        // Figures of an earlier run are none of this one.
        let _none_before = std::fs::remove_file(file);
    }
    for cargo in bench.cargo {
        let mut command = shell::cargo(cargo);
        if let Some(file) = &file {
            command.env(FILE, file);
        }
        shell::run(command.args(rest))?;
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Bench, Failure> {
    let bench = BENCHES.iter().find(|bench| bench.name == name);
    bench.ok_or_else(|| Failure::usage(known(&format!("unknown bench: {name}"))))
}

fn known(problem: &str) -> String {
    let lines = BENCHES.iter().map(|bench| format!("\n  {:10} {}", bench.name, bench.about));
    format!("{problem}; known are:{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_bench_is_answered_with_the_list() {
        let failure = find("pth").err().unwrap();
        let told = failure.to_string();
        assert!(told.starts_with("unknown bench: pth; known are:\n") && told.contains("\n  path "), "{told}");
        assert_eq!(failure.code(), 64);
    }
}
