//! From the paths of `targeting` and `pricing`, which know no API, to those of the API.

/// "targeting.all[2].in.values[0]" becomes "targeting.all_of.parts[2].leaf.value_in.values[0]".
pub fn api_path(path: &str) -> String {
    let mut api: Vec<String> = Vec::new();
    let mut in_leaf = false;
    for segment in path.split('.') {
        let (name, index) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
        if let Some(leaf) = leaf_field(name).filter(|_| !in_leaf && !api.is_empty()) {
            in_leaf = true;
            // A multiplier's test is a leaf itself; an expression has one.
            if api.last().is_none_or(|last| last != "when") {
                api.push("leaf".into());
            }
            api.push(format!("{leaf}{index}"));
            continue;
        }
        let field = if in_leaf { within_leaf(name) } else { around_leaf(name) };
        api.push(match (field, index) {
            ("all_of" | "any_of", "") => field.to_owned(),
            ("all_of" | "any_of", index) => format!("{field}.parts{index}"),
            (field, index) => format!("{field}{index}"),
        });
    }
    api.join(".")
}

fn leaf_field(name: &str) -> Option<&'static str> {
    Some(match name {
        "in" => "value_in",
        "present" => "present",
        "on_list" => "on_list",
        "os_version" => "os_version",
        "near" => "near.circles",
        "hour" => "hour_of_week.hours",
        "tag" => "tag",
        _ => return None,
    })
}

fn around_leaf(name: &str) -> &str {
    match name {
        "all" => "all_of",
        "any" => "any_of",
        "not" => "negated",
        "base" => "base_cpm_micros",
        "min" => "min_cpm_micros",
        "max" => "max_cpm_micros",
        "factor" => "factor_micros",
        other => other,
    }
}

fn within_leaf(name: &str) -> &str {
    match name {
        "list" => "list_id",
        "min" => "min_version",
        "max" => "max_version",
        "lat" => "latitude",
        "lon" => "longitude",
        "any_of" => "any_of_tag_ids",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::api_path;

    #[test]
    fn paths_are_told_in_the_words_of_the_api() {
        let cases = [
            ("targeting.any", "targeting.any_of"),
            (
                "targeting.all[2].not.in.values[0]",
                "targeting.all_of.parts[2].negated.leaf.value_in.values[0]",
            ),
            ("targeting.near[1].lat", "targeting.leaf.near.circles[1].latitude"),
            ("targeting.tag.any_of[3]", "targeting.leaf.tag.any_of_tag_ids[3]"),
            ("targeting.os_version.min", "targeting.leaf.os_version.min_version"),
            ("bid.min", "bid.min_cpm_micros"),
            ("bid.multipliers[4].factor", "bid.multipliers[4].factor_micros"),
            ("bid.multipliers[4].when.on_list.list", "bid.multipliers[4].when.on_list.list_id"),
        ];
        for (path, api) in cases {
            assert_eq!(api_path(path), api);
        }
    }
}
