use proptest::prelude::*;
use tagbid_catalog::Creative;
use tagbid_types::NoBidReason;

use super::creatives::banner;
use super::{Blocks, brand, deal_allows, given};

const IMP: &str = r#""imp":[{"id":"1","banner":{}}]"#;

fn verdict(creative: &Creative, lists: &str) -> Result<(), NoBidReason> {
    given(&format!("{IMP},{lists}"), |request, arena| {
        brand(creative, "acme-group.example", &Blocks::new(request, arena))
    })
}

fn of_category(category: &str) -> Creative {
    Creative { categories: vec![category.into()], ..banner() }
}

#[test]
fn a_blocked_domain_blocks_its_subdomains_however_it_is_written() {
    let shop = Creative { domains: vec!["other.example".into(), "shop.acme.example".into()], ..banner() };
    let blocked = Err(NoBidReason::BlockedAdvertiser);
    assert_eq!(verdict(&shop, r#""badv":["zzz.example","https://www.ACME.example/shop"]"#), blocked);
    assert_eq!(verdict(&shop, r#""badv":["shop.acme.example"]"#), blocked);
    assert_eq!(verdict(&shop, r#""badv":["me.example","cme.example","www.shop.example"]"#), Ok(()));
    assert_eq!(verdict(&banner(), r#""badv":["shop.acme.example"]"#), Ok(()));
}

#[test]
fn the_advertisers_own_domain_is_held_against_the_list_too() {
    let lists = r#""badv":["acme-group.example"]"#;
    assert_eq!(verdict(&banner(), lists), Err(NoBidReason::BlockedAdvertiser));
}

#[test]
fn a_category_stands_for_what_is_below_it() {
    let blocked = Err(NoBidReason::BlockedCategory);
    assert_eq!(verdict(&of_category("IAB25-3"), r#""bcat":["IAB7","iab25"]"#), blocked);
    assert_eq!(verdict(&of_category("IAB25-3"), r#""bcat":["IAB25-3"]"#), blocked);
    assert_eq!(verdict(&of_category("IAB25-3"), r#""bcat":["IAB25-30","IAB2","IAB25-4"]"#), Ok(()));
    assert_eq!(verdict(&of_category("IAB25"), r#""bcat":["IAB25-3"]"#), Ok(()));
}

#[test]
fn of_an_allow_list_every_category_must_be_on_it() {
    let two = Creative { categories: vec!["IAB2-3".into(), "IAB18".into()], ..banner() };
    assert_eq!(verdict(&two, r#""acat":["IAB2","IAB18"]"#), Ok(()));
    assert_eq!(verdict(&two, r#""acat":["IAB2"]"#), Err(NoBidReason::BlockedCategory));
    let none = Creative { categories: vec![], ..banner() };
    assert_eq!(verdict(&none, r#""acat":["IAB2"]"#), Err(NoBidReason::BlockedCategory));
    assert_eq!(verdict(&none, r#""bcat":["IAB2"]"#), Ok(()));
}

#[test]
fn a_block_that_cannot_be_compared_is_never_broken() {
    let creative = of_category("IAB18");
    assert_eq!(verdict(&creative, r#""cattax":1,"bcat":["IAB7"]"#), Ok(()));
    assert_eq!(verdict(&creative, r#""cattax":6,"bcat":["61"]"#), Err(NoBidReason::BlockedCategory));
    assert_eq!(verdict(&creative, r#""cattax":6,"acat":["552"]"#), Err(NoBidReason::BlockedCategory));
    assert_eq!(verdict(&creative, r#""cattax":6,"bcat":[]"#), Ok(()));
}

#[test]
fn codes_of_the_first_taxonomy_are_compared_whatever_the_request_calls_them() {
    let blocked = Err(NoBidReason::BlockedCategory);
    for cattax in [1, 2, 6] {
        let held = |category: &str, list: &str| {
            verdict(&of_category(category), &format!(r#""cattax":{cattax},{list}"#))
        };
        assert_eq!(held("IAB18", r#""bcat":["IAB25","IAB-1","iab7-39"]"#), Ok(()), "{cattax}");
        assert_eq!(held("IAB1-6", r#""bcat":["IAB25","IAB-1"]"#), blocked, "{cattax}");
        assert_eq!(held("IAB7-39", r#""bcat":["IAB-7-39"]"#), blocked, "{cattax}");
        assert_eq!(held("IAB7-3", r#""bcat":["IAB7-39"]"#), Ok(()), "{cattax}");
        assert_eq!(held("IAB18", r#""acat":["IAB-18"]"#), Ok(()), "{cattax}");
        assert_eq!(held("IAB18", r#""acat":["IAB-1"]"#), blocked, "{cattax}");
    }
}

#[test]
fn one_entry_of_another_taxonomy_is_enough_to_prove_nothing() {
    for other in ["61", "IAB", "IAB-", "IABx", "IAB7-", "JLBCU7"] {
        for cattax in ["", r#""cattax":1,"#, r#""cattax":2,"#] {
            for list in [r#""bcat":["IAB25""#, r#""acat":["IAB18""#] {
                let lists = format!(r#"{cattax}{list},"{other}"]"#);
                let held = verdict(&of_category("IAB18"), &lists);
                assert_eq!(held, Err(NoBidReason::BlockedCategory), "{lists}");
            }
        }
    }
    assert_eq!(verdict(&of_category("IAB18"), r#""bcat":["IAB25",""," "]"#), Ok(()));
}

#[test]
fn a_blocked_app_is_not_advertised() {
    let app = Creative { bundle: "com.acme.shoes".into(), ..banner() };
    assert_eq!(verdict(&app, r#""bapp":["com.foo","com.Acme.Shoes"]"#), Err(NoBidReason::BlockedApp));
    assert_eq!(verdict(&app, r#""bapp":["com.acme"]"#), Ok(()));
    assert_eq!(verdict(&banner(), r#""bapp":["com.acme.shoes"]"#), Ok(()));
}

#[test]
fn a_creative_that_tells_its_language_must_speak_one_that_is_wanted() {
    let in_language = |language: &str| Creative { language: language.into(), ..banner() };
    assert_eq!(verdict(&in_language("en"), r#""wlang":["de","EN"]"#), Ok(()));
    assert_eq!(verdict(&in_language("en"), r#""wlangb":["en-GB"]"#), Ok(()));
    assert_eq!(verdict(&in_language("en"), r#""wlang":["de"]"#), Err(NoBidReason::NoCreative));
    assert_eq!(verdict(&in_language("en"), r#""wlangb":["de-AT"]"#), Err(NoBidReason::NoCreative));
    assert_eq!(verdict(&in_language(""), r#""wlang":["de"]"#), Ok(()));
    assert_eq!(verdict(&in_language("xx"), r#""wlang":["de"]"#), Ok(()));
}

#[test]
fn a_deal_takes_an_ad_only_when_all_its_domains_are_among_its_own() {
    let two = Creative { domains: vec!["acme.example".into(), "other.example".into()], ..banner() };
    assert!(deal_allows(&two, "", &[]));
    assert!(deal_allows(&two, "", &["Acme.example", "https://other.example/"]));
    assert!(!deal_allows(&two, "", &["acme.example"]));
    let undeclared = Creative { domains: vec![], ..banner() };
    assert!(deal_allows(&undeclared, "acme.example", &["acme.example"]));
    assert!(!deal_allows(&undeclared, "", &["acme.example"]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Wherever a domain stands in the list and however deep the creative's is below it, it is blocked.
    #[test]
    fn no_blocked_domain_slips_through(
        domain in "[a-z]{1,8}\\.[a-z]{2,3}",
        below in "([a-z]{1,4}\\.){0,3}",
        others in prop::collection::vec("[a-zA-Z.-]{1,12}", 0..40),
        at: prop::sample::Index,
    ) {
        let creative = Creative { domains: vec![format!("{below}{domain}")], ..banner() };
        let mut list: Vec<String> = others;
        list.insert(at.index(list.len() + 1), domain.to_uppercase());
        let lists = format!(r#""badv":{}"#, serde_json::to_string(&list).unwrap());
        prop_assert_eq!(verdict(&creative, &lists), Err(NoBidReason::BlockedAdvertiser));
    }
}
