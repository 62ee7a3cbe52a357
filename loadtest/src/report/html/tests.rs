use super::*;
use crate::record::Outcome;
use crate::results::tests::{mixed, results};

/// Names of elements that stand open, in order; panics where one closes that is not open.
fn check_nesting(page: &str) {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let body = page.split_once("</style>").unwrap().1;
    let mut open = vec!["html".to_owned(), "head".to_owned()];
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap().to_lowercase();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(name.as_str()), "in {tag}");
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_is_well_formed_and_loads_nothing() {
    let page = html(&mixed("a", 0));
    check_nesting(&page);
    for outside in ["src=", "href=", "url(", "@import", "<script", "http-equiv=\"refresh"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;b&gt;") && !page.contains("/<b>"), "text of others is escaped");
    assert!(page.contains("prefers-color-scheme: dark"));
}

#[test]
fn every_plot_says_in_words_what_it_shows() {
    let page = html(&mixed("a", 0));
    assert_eq!(page.matches("role=\"img\"").count(), 4);
    for id in ["percentiles", "over-time", "rate", "outcomes"] {
        assert!(page.contains(&format!("<title id=\"{id}-title\">")), "{id}");
        assert!(page.contains(&format!("<desc id=\"{id}-text\">")), "{id}");
    }
    assert!(page.matches("<path class=\"series").count() >= 9, "lines and their keys");
    assert!(!page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn an_invalid_run_says_so_first() {
    let mut invalid = mixed("a", 0);
    invalid.machines[0].invalid.push("the generator <was> late".to_owned());
    let page = html(&invalid);
    let verdict = page.find("INVALID: do not use").unwrap();
    assert!(verdict < page.find("class=\"tiles\"").unwrap());
    assert!(page.contains("the generator &lt;was&gt; late"));
}

#[test]
fn a_run_without_answers_is_a_page_too() {
    let nothing = html(&results("a", &[]));
    check_nesting(&nothing);
    assert!(!nothing.contains("NaN") && !nothing.contains("inf"));
    let one = html(&results("a", &[(0, 100, Outcome::Error)]));
    check_nesting(&one);
}
