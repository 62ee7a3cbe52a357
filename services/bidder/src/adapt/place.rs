//! Where the ad would be seen: site, app or screen, their publisher, content and words.

use bumpalo::Bump;
use tagbid_openrtb::{App, Content, Dooh, Publisher, Request, Site};
use tagbid_targeting::{Collector, Dimension};

use super::add;

/// Most keywords kept of a request: pages that send their whole text are cut.
const MAX_KEYWORDS: usize = 256;

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
    let searched = site.search.into_iter().flat_map(str::split_whitespace);
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

/// "IAB1-2" says its taxonomy itself; "483" is told apart by its number: "6:483".
fn in_taxonomy<'a>(taxonomy: Option<i32>, category: &'a str, arena: &'a Bump) -> &'a str {
    let numeric = category.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    match taxonomy {
        Some(number) if numeric => bumpalo::format!(in arena, "{}:{}", number, category).into_bump_str(),
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
        assert_eq!(in_taxonomy(None, "483", &arena), "483");
    }
}
