//! Alerts and the runbook belong together: who is woken by one finds its page, and no page is about an alert that is gone.

use super::Complaint;
use super::tree::File;

/// Where rules are; their names end in [`RULES`].
const PROMETHEUS: &str = "deploy/prometheus/";
const RULES: &str = ".rules.yml";
/// Stories about rules, for `promtool test rules`.
const STORIES: &str = "deploy/prometheus/tests/";
const RUNBOOK: &str = "docs/runbook/";
const CONTENTS: &str = "docs/runbook/README.md";

pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let rules =
        || files.iter().filter(|file| file.path.starts_with(PROMETHEUS) && file.path.ends_with(RULES));
    let stories: String =
        files.iter().filter(|file| file.path.starts_with(STORIES)).map(|file| file.text.as_str()).collect();
    let contents = files.iter().find(|file| file.path == CONTENTS).map_or("", |file| file.text.as_str());
    let pages: Vec<&str> = files.iter().filter_map(|file| page(&file.path)).collect();
    let mut complaints = Vec::new();
    let mut alerts = Vec::new();
    for file in rules() {
        for (line, alert, runbook) in alerts_of(&file.text) {
            let here = format!("{}:{line}: {alert}", file.path);
            if !pages.contains(&alert) {
                complaints.push(format!("{here} has no page: write {RUNBOOK}{alert}.md"));
            }
            if runbook != Some(format!("{RUNBOOK}{alert}.md").as_str()) {
                complaints
                    .push(format!("{here} does not lead to its page: runbook_url: {RUNBOOK}{alert}.md"));
            }
            if !contents.contains(&format!("({alert}.md)")) {
                complaints.push(format!("{here} is missing in {CONTENTS}"));
            }
            if !stories.lines().any(|line| value(line, "- alertname:") == Some(alert)) {
                complaints.push(format!("{here} is in no story of {STORIES}"));
            }
            alerts.push(alert);
        }
    }
    let orphans = pages.into_iter().filter(|page| !alerts.contains(page));
    complaints.extend(orphans.map(|page| format!("{RUNBOOK}{page}.md: there is no alert {page}")));
    complaints
}

/// The alert that a page is about; none: it is no page of one.
fn page(path: &str) -> Option<&str> {
    if path == CONTENTS { None } else { path.strip_prefix(RUNBOOK)?.strip_suffix(".md") }
}

/// The alerts of a file of rules: line, name, and what `runbook_url` says.
fn alerts_of(text: &str) -> Vec<(usize, &str, Option<&str>)> {
    let mut alerts: Vec<(usize, &str, Option<&str>)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(alert) = value(line, "- alert:") {
            alerts.push((index + 1, alert, None));
        } else if let (Some(page), Some((.., runbook))) = (value(line, "runbook_url:"), alerts.last_mut()) {
            *runbook = Some(page);
        }
    }
    alerts
}

/// What stands behind a key on a line of YAML.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim_start().strip_prefix(key).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn whole() -> Vec<File> {
        vec![
            file(
                "deploy/prometheus/a.rules.yml",
                "- alert: Away\n  annotations:\n    runbook_url: docs/runbook/Away.md\n",
            ),
            file("deploy/prometheus/tests/a.test.yml", "    - alertname: Away\n"),
            file("docs/runbook/README.md", "[Away](Away.md)"),
            file("docs/runbook/Away.md", "# Away"),
        ]
    }

    #[test]
    fn an_alert_with_page_link_and_story_is_fine() {
        assert!(check(&whole()).is_empty());
    }

    #[test]
    fn a_page_without_an_alert_is_named() {
        let mut files = whole();
        files.push(file("docs/runbook/Gone.md", "# Gone"));
        assert_eq!(check(&files), ["docs/runbook/Gone.md: there is no alert Gone"]);
    }

    #[test]
    fn an_alert_that_leads_nowhere_is_named_with_what_it_lacks() {
        let complaints = check(&[file("deploy/prometheus/a.rules.yml", "\n- alert: New\n")]);
        let lacks = ["no page", "does not lead", "missing in docs/runbook/README.md", "in no story"];
        assert_eq!(complaints.len(), lacks.len());
        for (complaint, lack) in complaints.iter().zip(lacks) {
            assert!(complaint.starts_with("deploy/prometheus/a.rules.yml:2: New"), "{complaint}");
            assert!(complaint.contains(lack), "{complaint}");
        }
    }
}
