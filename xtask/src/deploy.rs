//! `deploy-check`: what is in `deploy/`, by its own linters. None of them is needed to build or test, so those that are not
//! installed are skipped, aloud. That alerts have pages is checked by `tidy`, that metrics exist by the scenarios.

mod dashboards;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::failure::Failure;
use crate::shell;

/// Most exposure that `systemd-analyze security` may find, in tenths: below 2.0 is "OK" by its own words.
const EXPOSURE: &str = "--threshold=19";

/// One check: its name, the Debian package that brings its program, whether that is there, and the check itself.
struct Check {
    name: &'static str,
    brought_by: &'static str,
    available: fn() -> bool,
    run: fn(&Paths) -> Result<(), Failure>,
}

/// Where things are.
struct Paths {
    deploy: PathBuf,
    /// A directory for files that linters want to read.
    scratch: PathBuf,
}

const CHECKS: [Check; 9] = [
    Check { name: "dashboards", brought_by: "", available: || true, run: dashboards::shape },
    Check { name: "rules and their stories", brought_by: "prometheus", available: has_promtool, run: rules },
    Check {
        name: "dashboards' expressions",
        brought_by: "prometheus",
        available: has_promtool,
        run: dashboards::expressions,
    },
    Check {
        name: "systemd units",
        brought_by: "systemd",
        available: || shell::which("systemd-analyze").is_some(),
        run: units,
    },
    Check {
        name: "scripts",
        brought_by: "shellcheck",
        available: || shell::which("shellcheck").is_some(),
        run: scripts,
    },
    Check {
        name: "YAML",
        brought_by: "yamllint",
        available: || shell::which("yamllint").is_some(),
        run: yaml,
    },
    Check {
        name: "compose file",
        brought_by: "docker-compose-plugin",
        available: || shell::succeeds(Command::new("docker").args(["compose", "version"])),
        run: compose,
    },
    Check {
        name: "values of the Helm chart",
        brought_by: "python3-yaml, python3-jsonschema",
        available: || shell::succeeds(Command::new("python3").args(["-c", "import jsonschema, yaml"])),
        run: values,
    },
    Check {
        name: "Helm chart",
        brought_by: "helm, of no Debian package",
        available: || shell::which("helm").is_some(),
        run: chart,
    },
];

/// Runs every check that can run, all of them also after a failure.
pub(crate) fn run() -> Result<(), Failure> {
    let paths = Paths { deploy: shell::root().join("deploy"), scratch: shell::target().join("deploy-check") };
    fs::create_dir_all(&paths.scratch)
        .with_context(|| format!("cannot create {}", paths.scratch.display()))?;
    let mut failed = Vec::new();
    for Check { name, brought_by, available, run } in CHECKS {
        if !available() {
            eprintln!("skipped: {name} (needs {brought_by})");
            continue;
        }
        match run(&paths) {
            Ok(()) => eprintln!("checked: {name}"),
            Err(failure) => {
                eprintln!("FAILED: {name}: {failure}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::check(format!("deploy-check: {}", failed.join(", "))))
    }
}

fn has_promtool() -> bool {
    shell::which("promtool").is_some()
}

fn rules(paths: &Paths) -> Result<(), Failure> {
    let prometheus = paths.deploy.join("prometheus");
    // Names the rules as well, so that they are read too.
    shell::run(Command::new("promtool").args(["check", "config"]).arg(prometheus.join("prometheus.yml")))?;
    let stories = files(&prometheus.join("tests"), ".test.yml")?;
    shell::run(Command::new("promtool").args(["test", "rules"]).args(stories))
}

/// The units as they are, but for the program, which is not installed here.
fn units(paths: &Paths) -> Result<(), Failure> {
    let dir = paths.scratch.join("units");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let copy = |from: &str, to: &str| -> Result<PathBuf, Failure> {
        let from = paths.deploy.join("systemd").join(from);
        let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
        let to = dir.join(to);
        fs::write(&to, text.replace("/usr/bin/tagbid", "/bin/true"))
            .with_context(|| format!("cannot write {}", to.display()))?;
        Ok(to)
    };
    let role = copy("tagbid@.service", "tagbid@bidder.service")?;
    let target = copy("tagbid.target", "tagbid.target")?;
    // Says what it finds and ends with 0 all the same, except with this.
    let verify = ["verify", "--recursive-errors=yes", "--man=no"];
    shell::run(Command::new("systemd-analyze").args(verify).args([&role, &target]))?;
    let security = ["security", "--offline=true", EXPOSURE, "--no-pager"];
    shell::output(Command::new("systemd-analyze").args(security).arg(&role)).map(drop)
}

fn scripts(paths: &Paths) -> Result<(), Failure> {
    let scripts = files(&paths.deploy.join("compose"), ".sh")?;
    shell::run(Command::new("shellcheck").arg("--shell=sh").args(scripts))
}

/// Templates of the chart are no YAML until they are rendered.
fn yaml(paths: &Paths) -> Result<(), Failure> {
    let rules = "{extends: relaxed, rules: {line-length: {max: 140}, colons: disable, commas: disable}}";
    let places = ["prometheus", "compose", "grafana", "helm/tagbid/values.yaml", "helm/tagbid/Chart.yaml"];
    let places = places.map(|place| paths.deploy.join(place));
    shell::run(Command::new("yamllint").args(["--strict", "--config-data", rules]).args(places))
}

fn compose(paths: &Paths) -> Result<(), Failure> {
    let file = paths.deploy.join("compose/compose.yaml");
    shell::run(Command::new("docker").args(["compose", "--file"]).arg(file).args(["config", "--quiet"]))
}

/// The chart's own values fit their schema but for the address that everybody must set.
fn values(paths: &Paths) -> Result<(), Failure> {
    let script = "# values.yaml against values.schema.json
import json, sys, jsonschema, yaml
values, schema = yaml.safe_load(open(sys.argv[1])), json.load(open(sys.argv[2]))
jsonschema.Draft7Validator.check_schema(schema)
found = lambda: [error.json_path for error in jsonschema.Draft7Validator(schema).iter_errors(values)]
if found() != ['$.noticeUrl']: sys.exit(f'as it comes, only noticeUrl is to be missing: {found()}')
values['noticeUrl'] = 'https://notices.example'
sys.exit('\\n'.join(found()) or 0)";
    let chart = paths.deploy.join("helm/tagbid");
    let files = [chart.join("values.yaml"), chart.join("values.schema.json")];
    shell::run(Command::new("python3").args(["-c", script]).args(files))
}

/// With what everybody must set, and once more with all that is optional.
fn chart(paths: &Paths) -> Result<(), Failure> {
    let chart = paths.deploy.join("helm/tagbid");
    let least = ["--set", "noticeUrl=https://notices.example"];
    let optional = "bidder.autoscaling.enabled=true,tags.persistence.enabled=true,serviceMonitor.enabled=true,\
                    prometheusRule.enabled=true,dashboards.enabled=true";
    shell::run(Command::new("helm").args(["lint", "--strict"]).arg(&chart).args(least))?;
    for more in [&[][..], &["--set", optional]] {
        shell::output(Command::new("helm").args(["template", "demo"]).arg(&chart).args(least).args(more))?;
    }
    Ok(())
}

/// The files of a directory whose names end so, in order.
fn files(dir: &Path, end: &str) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = paths.filter(|path| path.to_string_lossy().ends_with(end)).collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::check(format!("{}: no file ends with {end}", dir.display())));
    }
    Ok(files)
}
