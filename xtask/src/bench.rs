//! `bench NAME [ARGS...]`: benchmarks by name. A new one is a line in [`BENCHES`].

use crate::failure::Failure;
use crate::shell;

struct Bench {
    name: &'static str,
    about: &'static str,
    /// What cargo gets; more arguments of the user follow.
    cargo: &'static [&'static str],
}

const BENCHES: [Bench; 3] = [
    Bench {
        name: "ingest",
        about: "events a second into Redis, and how soon another node's lookups see them",
        cargo: &["bench", "--locked", "-p", "tagbid-tags", "--bench", "ingest"],
    },
    Bench {
        name: "path",
        about: "CPU per bid request by stage, beside the transport floor; writes target/bench/path.json",
        cargo: &["run", "--locked", "--release", "-p", "tagbid-loadtest", "--", "bench-path"],
    },
    Bench {
        name: "targeting",
        about: "the search beside the oracle scan and a-tree; writes target/bench/targeting.json",
        cargo: &["bench", "--locked", "-p", "tagbid-targeting", "--bench", "targeting", "--"],
    },
];

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let Some((name, rest)) = args.split_first() else {
        return Err(Failure::usage(known("which bench?")));
    };
    let bench = find(name)?;
    shell::run(shell::cargo(bench.cargo).args(rest))
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
