//! Where the ad would be seen: site, app or screen, their publisher, content and words.

use bumpalo::Bump;
use tagbid_openrtb::{App, Content, Dooh, Publisher, Request, Site};
use tagbid_targeting::{Collector, Dimension, normalise};

use super::add;

/// Most keywords kept of a request: pages that send their whole text are cut.
const MAX_KEYWORDS: usize = 256;

/// Most words of a search that are looked at, and most of them in one keyword.
const SEARCH_WORDS: usize = 16;
const PHRASE_WORDS: usize = 4;

pub(super) fn collect<'a>(request: &Request<'a>, values: &mut Collector<'a>, arena: &'a Bump) {
    if let Some(site) = request.site {
        collect_site(site, values, arena);
    } else if let Some(app) = request.app {
        collect_app(app, values, arena);
    } else if let Some(dooh) = request.dooh {
        collect_dooh(dooh, values, arena);
    }
}

fn collect_site<'a>(site: &'a Site<'a>, values: &mut Collector<'a>, arena: &'a Bump) {
    values.push(Dimension::Channel, "site");
    add(values, Dimension::Site, site.id);
    collect_publisher(site.publisher, &[site.domain, site.page], values);
    collect_categories(site.cattax, &[site.cat, site.sectioncat, site.pagecat], site.content, values, arena);
    let searched = site.search.into_iter().flat_map(|search| phrases(search, arena));
    collect_keywords(site.keywords().chain(searched), site.content, values);
}

fn collect_app<'a>(app: &'a App<'a>, values: &mut Collector<'a>, arena: &'a Bump) {
    values.push(Dimension::Channel, "app");
    add(values, Dimension::App, app.bundle.or(app.id));
    collect_publisher(app.publisher, &[app.domain], values);
    collect_categories(app.cattax, &[app.cat, app.sectioncat, app.pagecat], app.content, values, arena);
    collect_keywords(app.keywords(), app.content, values);
}

fn collect_dooh<'a>(dooh: &'a Dooh<'a>, values: &mut Collector<'a>, arena: &'a Bump) {
    values.push(Dimension::Channel, "dooh");
    add(values, Dimension::Site, dooh.id);
    collect_publisher(dooh.publisher, &[dooh.domain], values);
    collect_categories(None, &[], dooh.content, values, arena);
    collect_keywords(dooh.keywords(), dooh.content, values);
}

/// What is on the page, in the app or on the screen.
pub(super) fn content<'a>(request: &Request<'a>) -> Option<&'a Content<'a>> {
    let site = request.site.and_then(|site| site.content);
    let app = || request.app.and_then(|app| app.content);
    site.or_else(app).or_else(|| request.dooh.and_then(|dooh| dooh.content))
}

/// The words of a search and what stands together in it: "buy running shoes" is a search for "running shoes" too.
fn phrases<'a>(search: &'a str, arena: &'a Bump) -> impl Iterator<Item = &'a str> {
    // Normal first, so that phrases can be cut out at its single spaces.
    let text = normalise(Dimension::Keyword, search, arena);
    let starts = move || std::iter::once(0).chain(text.match_indices(' ').map(|(at, _)| at + 1));
    starts().take(SEARCH_WORDS).flat_map(move |start| {
        let rest = text.get(start..).unwrap_or_default();
        let ends = rest.match_indices(' ').map(|(at, _)| at).chain([rest.len()]);
        ends.take(PHRASE_WORDS).filter_map(move |end| rest.get(..end))
    })
}

/// The publisher, and the first domain that the request gives; where there is none, the publisher's.
fn collect_publisher<'a>(
    publisher: Option<&Publisher<'a>>,
    domains: &[Option<&'a str>],
    values: &mut Collector<'a>,
) {
    add(values, Dimension::Publisher, publisher.and_then(|p| p.id));
    let first = domains.iter().copied().flatten().next();
    add(values, Dimension::Domain, first.or(publisher.and_then(|p| p.domain)));
}

/// Categories of the context and of its content, each in its own taxonomy.
fn collect_categories<'a>(
    cattax: Option<i32>,
    lists: &[&'a [&'a str]],
    content: Option<&Content<'a>>,
    values: &mut Collector<'a>,
    arena: &'a Bump,
) {
    for category in lists.iter().flat_map(|list| list.iter()) {
        values.add(Dimension::Category, in_taxonomy(cattax, category, arena));
    }
    let Some(content) = content else { return };
    for category in content.cat {
        values.add(Dimension::Category, in_taxonomy(content.cattax, category, arena));
    }
}

/// "IAB1-2" says its taxonomy itself; ids of the others, "483" or "JLBCU7", are told apart by its number: "6:483".
fn in_taxonomy<'a>(taxonomy: Option<i32>, category: &'a str, arena: &'a Bump) -> &'a str {
    let category = category.trim();
    let first = category.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("iab"));
    match taxonomy {
        Some(number) if !first && !category.is_empty() => {
            bumpalo::format!(in arena, "{}:{}", number, category).into_bump_str()
        }
        _ => category,
    }
}

fn collect_keywords<'a>(
    own: impl Iterator<Item = &'a str>,
    content: Option<&'a Content<'a>>,
    values: &mut Collector<'a>,
) {
    let content = content.into_iter().flat_map(Content::keywords);
    for word in own.chain(content).take(MAX_KEYWORDS) {
        values.add(Dimension::Keyword, word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_categories_carry_their_taxonomy() {
        let arena = Bump::new();
        assert_eq!(in_taxonomy(Some(6), "483", &arena), "6:483");
        assert_eq!(in_taxonomy(Some(1), "IAB1-2", &arena), "IAB1-2");
        assert_eq!(in_taxonomy(Some(7), " JLBCU7", &arena), "7:JLBCU7");
        assert_eq!(in_taxonomy(None, "483", &arena), "483");
    }

    #[test]
    fn a_search_is_its_words_and_its_phrases() {
        let arena = Bump::new();
        let found: Vec<_> = phrases(" Buy  Running\tshoes ", &arena).collect();
        let all = ["buy", "buy running", "buy running shoes", "running", "running shoes", "shoes"];
        assert_eq!(found, all);
        let long = "w ".repeat(10_000);
        assert_eq!(phrases(&long, &arena).count(), SEARCH_WORDS * PHRASE_WORDS);
        assert_eq!(phrases("  ", &arena).collect::<String>(), "");
    }
}
