//! Grafana's dashboards: there is no linter in Debian, so what breaks one unseen is looked for here.

use std::fs;

use anyhow::Context;
use serde_json::{Value, json};

use super::{Paths, files};
use crate::failure::Failure;
use crate::shell;

/// What Grafana fills in, and something that it might be.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "5m"), ("$instance", ".*")];

/// Each dashboard by its file's name.
fn load(paths: &Paths) -> Result<Vec<(String, Value)>, Failure> {
    let load = |path: std::path::PathBuf| -> Result<(String, Value), Failure> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        Ok((name.clone(), serde_json::from_str(&text).with_context(|| name)?))
    };
    files(&paths.deploy.join("grafana/dashboards"), ".json")?.into_iter().map(load).collect()
}

/// Panels have ids and places of their own, and ask the data source that the dashboard's variable names.
pub(super) fn shape(paths: &Paths) -> Result<(), Failure> {
    let mut complaints = Vec::new();
    let boards = load(paths)?;
    for (name, board) in &boards {
        complaints.extend(complaints_of(board).into_iter().map(|complaint| format!("{name}: {complaint}")));
        if boards.iter().filter(|(_, other)| other["uid"] == board["uid"]).count() > 1 {
            complaints.push(format!("{name}: uid {} stands twice", board["uid"]));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(Failure::check(complaints.join("\n"))) }
}

fn complaints_of(board: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let panels: Vec<&Value> = board["panels"].as_array().into_iter().flatten().collect();
    for (place, panel) in panels.iter().enumerate() {
        let title = &panel["title"];
        let others = || panels.iter().take(place);
        if others().any(|other| other["id"] == panel["id"]) {
            complaints.push(format!("{title} has the id of another panel"));
        }
        if let Some(other) = others().find(|other| overlap(&other["gridPos"], &panel["gridPos"])) {
            complaints.push(format!("{title} lies on {}", other["title"]));
        }
        let targets = panel["targets"].as_array().into_iter().flatten();
        if panel["type"] != "row" && targets.clone().count() == 0 {
            complaints.push(format!("{title} asks nothing"));
        }
        if targets.into_iter().any(|target| target["datasource"]["uid"] != "${datasource}") {
            complaints.push(format!("{title} does not ask ${{datasource}}"));
        }
    }
    complaints
}

fn overlap(one: &Value, other: &Value) -> bool {
    let along = |from: &str, length: &str| {
        let span = |pos: &Value| (pos[from].as_u64().unwrap_or(0), pos[length].as_u64().unwrap_or(0));
        let ((a, a_length), (b, b_length)) = (span(one), span(other));
        a < b + b_length && b < a + a_length
    };
    along("x", "w") && along("y", "h")
}

/// Every expression of a dashboard as a recording rule, which promtool can read.
pub(super) fn expressions(paths: &Paths) -> Result<(), Failure> {
    let mut groups = Vec::new();
    for (group, (name, board)) in load(paths)?.into_iter().enumerate() {
        let rules: Vec<Value> = board["panels"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
            .filter_map(|target| target["expr"].as_str())
            .enumerate()
            .map(
                |(number, expr)| json!({ "record": format!("panel:{group}_{number}"), "expr": filled(expr) }),
            )
            .collect();
        groups.push(json!({ "name": name, "rules": rules }));
    }
    // JSON is YAML.
    let file = paths.scratch.join("dashboards.rules.yml");
    fs::write(&file, json!({ "groups": groups }).to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    shell::run(std::process::Command::new("promtool").args(["check", "rules"]).arg(file))
}

fn filled(expr: &str) -> String {
    VARIABLES.iter().fold(expr.to_owned(), |expr, (variable, value)| expr.replace(variable, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(id: u64, x: u64, uid: &str) -> Value {
        let target = json!({ "expr": "up", "datasource": { "uid": uid } });
        json!({ "id": id, "title": format!("panel {id}"), "type": "timeseries", "targets": [target],
                "gridPos": { "x": x, "y": 0, "w": 12, "h": 8 } })
    }

    #[test]
    fn panels_side_by_side_are_fine() {
        let board = json!({ "panels": [panel(1, 0, "${datasource}"), panel(2, 12, "${datasource}")] });
        assert!(complaints_of(&board).is_empty());
    }

    #[test]
    fn what_grafana_would_show_wrongly_is_named() {
        let mut empty = panel(3, 0, "${datasource}");
        (empty["targets"], empty["gridPos"]["y"]) = (json!([]), json!(8));
        let panels = [panel(1, 0, "${datasource}"), panel(1, 11, "prometheus"), empty];
        let complaints = complaints_of(&json!({ "panels": panels }));
        assert_eq!(
            complaints,
            [
                "\"panel 1\" has the id of another panel",
                "\"panel 1\" lies on \"panel 1\"",
                "\"panel 1\" does not ask ${datasource}",
                "\"panel 3\" asks nothing"
            ]
        );
    }

    #[test]
    fn variables_are_filled_in() {
        assert_eq!(
            filled("rate(a{instance=~\"$instance\"}[$__rate_interval])"),
            "rate(a{instance=~\".*\"}[5m])"
        );
    }
}
