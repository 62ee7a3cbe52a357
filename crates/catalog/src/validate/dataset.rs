//! Datasets and tags.

use std::collections::{BTreeSet, HashMap};

use tagbid_tagset::{NameError, StandardName};

use super::text;
use crate::{Dataset, Report, TagDefinition, UnknownNames};

/// Longest description in bytes.
const MAX_DESCRIPTION: usize = 2_000;

pub(super) fn dataset(e: &Dataset, report: &mut Report) {
    text::name("name", &e.name, report);
    text::prose("description", &e.description, MAX_DESCRIPTION, report);
    grants(e, report);
    if let UnknownNames::Register { most } = e.unknown_names
        && !(1..=UnknownNames::MOST).contains(&most)
    {
        let remedy = format!("say how many live tags it may have at most: 1 to {}", UnknownNames::MOST);
        report.problem("max_tags", format!("is {most}"), remedy);
    }
}

fn grants(e: &Dataset, report: &mut Report) {
    if e.grants.len() > Dataset::MAX_GRANTS {
        let problem = format!("has {} advertisers", e.grants.len());
        report.problem("grants", problem, format!("use at most {}", Dataset::MAX_GRANTS));
        return;
    }
    let mut seen = BTreeSet::new();
    for (position, advertiser) in e.grants.iter().enumerate() {
        let field = format_args!("grants[{position}]");
        if advertiser.0 == 0 {
            report.problem(field, "is no advertiser", "use an advertiser's id");
        } else if Some(*advertiser) == e.advertiser {
            report.problem(field, "is the owner", "leave it out: the owner may use it anyway");
        } else if !seen.insert(advertiser) {
            report.problem(field, format!("repeats advertiser {advertiser}"), "name each once");
        }
    }
}

pub(super) fn tag(e: &TagDefinition, report: &mut Report) {
    text::name("name", &e.name, report);
    names(e, report);
    text::prose("description", &e.description, MAX_DESCRIPTION, report);
    taxonomy(&e.taxonomy, report);
}

/// Names have a standard form, each its own.
fn names(e: &TagDefinition, report: &mut Report) {
    if e.synonyms.len() > TagDefinition::MAX_SYNONYMS {
        let problem = format!("has {} synonyms", e.synonyms.len());
        return report.problem("synonyms", problem, format!("use at most {}", TagDefinition::MAX_SYNONYMS));
    }
    let mut seen: HashMap<StandardName, String> = HashMap::new();
    standard("name", &e.name, &mut seen, report);
    for (position, synonym) in e.synonyms.iter().enumerate() {
        let field = format!("synonyms[{position}]");
        text::name(&field, synonym, report);
        standard(&field, synonym, &mut seen, report);
    }
}

fn standard(field: &str, raw: &str, seen: &mut HashMap<StandardName, String>, report: &mut Report) {
    match StandardName::new(raw) {
        Err(NameError::Empty) => report.problem(field, NameError::Empty, "use a name that people can say"),
        Err(error) => report.problem(field, error, "write it anew"),
        Ok(name) => {
            if let Some(first) = seen.insert(name, field.to_owned()) {
                report.problem(field, format!("is the same name as {first}"), "leave it out");
            }
        }
    }
}

/// Empty, or "TAXONOMY:CODE". Codes of the IAB's taxonomies are numbers; others are the owner's to know.
fn taxonomy(text: &str, report: &mut Report) {
    let is_name = |name: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        !name.is_empty() && name.bytes().all(plain)
    };
    let is_code = |name: &str, code: &str| match name.starts_with("iab-") {
        true => {
            (1..=5).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_digit())
                && !code.starts_with('0')
        }
        false => !code.is_empty() && code.bytes().all(|b| b.is_ascii_graphic()),
    };
    let fits = text.len() <= 200
        && text.split_once(':').is_some_and(|(name, code)| is_name(name) && is_code(name, code));
    if !text.is_empty() && !fits {
        report.problem(
            "taxonomy",
            format!("{:?} is no reference into a taxonomy", text::excerpt(text)),
            "use TAXONOMY:CODE such as \"iab-audience-1.1:283\", or leave it out",
        );
    }
}
