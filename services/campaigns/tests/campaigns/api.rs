//! The advertisers' API, story by story.

use tagbid_wire::pb::campaigns as pb;
use tonic::Code;

use crate::harness::{
    Caller, Database, Stack, advertiser, campaign, creative, fields, flight, line_item, two_tenants,
};
use crate::kinds::Kind;

#[tokio::test]
async fn a_line_item_lives_from_creation_to_the_archive() {
    for database in [Database::sqlite(), Database::postgres()] {
        let stack = Stack::start(&database).await;
        two_tenants(&stack).await;
        let (campaign, _, item) = flight(&stack).await;
        let mut acme = stack.api(Caller::Tenant(1)).await;
        assert_eq!(item.advertiser_id, 1, "what an advertiser creates is its own");
        assert_eq!(item.bid.as_ref().unwrap().max_cpm_micros, None);
        assert_eq!(pb::LineItem::get(&mut acme, item.id).await.unwrap(), item);

        // A trader raises the price; another one with an old page open is told so.
        let read = item.metadata().etag;
        let mut wanted = item.clone();
        wanted.bid.as_mut().unwrap().max_cpm_micros = Some(3_000_000);
        let updated = wanted.clone().update(&mut acme, &["bid.max_cpm_micros"], &read).await.unwrap();
        assert_eq!(updated.bid.as_ref().unwrap().max_cpm_micros, Some(3_000_000));
        assert_eq!(updated.bid.as_ref().unwrap().base_cpm_micros, 2_000_000);
        assert!(updated.metadata().revision > item.metadata().revision);
        let stale = wanted.clone().update(&mut acme, &["name"], &read).await.unwrap_err();
        assert_eq!(stale.code(), Code::Aborted, "{stale:?}");

        let unknown = wanted.clone().update(&mut acme, &["bid.floor"], "").await.unwrap_err();
        assert_eq!((unknown.code(), fields(&unknown)), (Code::InvalidArgument, vec!["update_mask".into()]));
        assert!(unknown.message().contains("bid.floor"), "{unknown:?}");

        let archived = pb::LineItem::archive(&mut acme, item.id, "").await.unwrap();
        assert!(archived.metadata().archived);
        assert_eq!(pb::LineItem::archive(&mut acme, item.id, "").await.unwrap(), archived);
        let late = wanted.update(&mut acme, &["name"], "").await.unwrap_err();
        assert_eq!(late.code(), Code::FailedPrecondition);
        let (live, _) = pb::LineItem::list(&mut acme, 0, 0, "", false).await.unwrap();
        assert!(live.is_empty());
        let request = pb::ListLineItemsRequest {
            include_archived: true,
            campaign_id: campaign.id,
            ..Default::default()
        };
        let all = acme.list_line_items(request).await.unwrap().into_inner();
        assert_eq!(all.line_items, [archived]);
        stack.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_names_every_field_at_once() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut item = line_item(77, 88);
    item.name.clear();
    item.bid.as_mut().unwrap().currency = "dollars".into();
    item.targeting = Some(pb::Expression {
        node: Some(pb::expression::Node::Negated(Box::new(pb::Expression {
            node: Some(pb::expression::Node::Leaf(pb::Leaf {
                test: Some(pb::leaf::Test::ValueIn(pb::ValueIn {
                    dimension: pb::Dimension::Country.into(),
                    values: vec!["Germany".into()],
                })),
            })),
        }))),
    });
    let mut refused = fields(&item.clone().create(&mut acme, "").await.unwrap_err());
    refused.sort();
    let expected = [
        "line_item.bid.currency",
        "line_item.campaign_id",
        "line_item.creative_ids[0]",
        "line_item.name",
        "line_item.targeting.negated.leaf.value_in.values[0]",
    ];
    assert_eq!(refused, expected);

    // The dry run says the same and leaves nothing behind.
    let request = pb::ValidateLineItemRequest { line_item: Some(item) };
    let problems = acme.validate_line_item(request).await.unwrap().into_inner().problems;
    let mut validated: Vec<_> = problems.into_iter().map(|problem| problem.field).collect();
    validated.sort();
    assert_eq!(validated, expected);
    assert!(pb::LineItem::list(&mut acme, 0, 0, "", true).await.unwrap().0.is_empty());
    stack.stop().await;
}

#[tokio::test]
async fn a_dry_run_of_an_update_changes_nothing() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, _, item) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let validate = |item: pb::LineItem| pb::ValidateLineItemRequest { line_item: Some(item) };
    let mut wanted = item.clone();
    wanted.name = "Boots".into();
    let sound = acme.validate_line_item(validate(wanted.clone())).await.unwrap().into_inner();
    assert_eq!(sound.problems, []);
    wanted.creative_ids = vec![999];
    let unsound = acme.validate_line_item(validate(wanted.clone())).await.unwrap().into_inner();
    assert_eq!(unsound.problems[0].field, "line_item.creative_ids[0]");
    assert_eq!(pb::LineItem::get(&mut acme, item.id).await.unwrap(), item);

    let mut rival = stack.api(Caller::Tenant(2)).await;
    let foreign = rival.validate_line_item(validate(wanted)).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    stack.stop().await;
}

#[tokio::test]
async fn a_repeated_request_is_answered_as_the_first_time() {
    let database = Database::sqlite();
    let stack = Stack::start(&database).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let first = campaign("Spring").create(&mut acme, "r-1").await.unwrap();
    // The client never heard the answer, and the role was restarted meanwhile.
    let address = stack.stop().await;
    let stack = Stack::start_on(&database, address).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    assert_eq!(campaign("Spring").create(&mut acme, "r-1").await.unwrap(), first);

    let other = campaign("Summer").create(&mut acme, "r-1").await.unwrap_err();
    assert_eq!((other.code(), fields(&other)), (Code::AlreadyExists, vec!["request_id".into()]));
    let mut rival = stack.api(Caller::Tenant(2)).await;
    let theirs = campaign("Spring").create(&mut rival, "r-1").await.unwrap();
    assert_ne!(theirs.id, first.id, "request ids are the caller's own");
    let long = campaign("Autumn").create(&mut acme, &"x".repeat(101)).await.unwrap_err();
    assert_eq!(fields(&long), ["request_id"]);
    assert_eq!(pb::Campaign::list(&mut acme, 0, 0, "", true).await.unwrap().0, [first]);
    stack.stop().await;
}

#[tokio::test]
async fn lists_come_page_by_page_in_the_order_of_creation() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    for number in 0..5 {
        campaign(&format!("c{number}")).create(&mut acme, "").await.unwrap();
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let (page, next) = pb::Campaign::list(&mut acme, 0, 2, &token, false).await.unwrap();
        assert!(page.len() <= 2);
        names.extend(page.into_iter().map(|campaign| campaign.name));
        if next.is_empty() {
            break;
        }
        token = next;
    }
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4"]);
    for bad in ["nonsense", &token_of_another_list(&mut acme).await] {
        let refused = pb::Campaign::list(&mut acme, 0, 2, bad, false).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"]);
    }
    stack.stop().await;
}

async fn token_of_another_list(api: &mut crate::harness::Api) -> String {
    for name in ["a", "b"] {
        creative(name).create(api, "").await.unwrap();
    }
    pb::Creative::list(api, 0, 1, "", false).await.unwrap().1
}

#[tokio::test]
async fn an_archived_creative_does_not_stand_in_the_way_of_other_changes() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, creative, item) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    pb::Creative::archive(&mut acme, creative.id, "").await.unwrap();

    let mut renamed = item.clone();
    renamed.name = "Boots".into();
    renamed.update(&mut acme, &["name"], "").await.unwrap();
    let again = line_item(item.campaign_id, creative.id).create(&mut acme, "").await.unwrap_err();
    assert_eq!(fields(&again), ["line_item.creative_ids[0]"]);
    stack.stop().await;
}

#[tokio::test]
async fn reviews_are_the_operators_and_end_with_the_creative_they_saw() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, creative, _) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut operator = stack.api(Caller::Operator).await;
    let mut approved = creative.clone();
    approved.approvals.insert("demo".into(), pb::Approval::Approved.into());
    let own_word = approved.clone().update(&mut acme, &["approvals"], "").await.unwrap_err();
    assert_eq!(fields(&own_word), ["creative.approvals"]);
    let approved = approved.update(&mut operator, &["approvals"], "").await.unwrap();
    assert_eq!(approved.approvals.len(), 1);

    let mut renamed = approved.clone();
    renamed.name = "Crimson shoes".into();
    let renamed = renamed.update(&mut acme, &["name"], "").await.unwrap();
    assert_eq!(renamed.approvals.len(), 1, "a name is not shown to anybody");
    let mut changed = renamed.clone();
    changed.click_url = "https://acme.example/boots".into();
    let changed = changed.update(&mut acme, &["click_url"], "").await.unwrap();
    assert!(changed.approvals.is_empty());
    stack.stop().await;
}

#[tokio::test]
async fn creatives_load_from_allowed_domains_only() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut foreign = creative("Foreign");
    foreign.preview_url = "https://elsewhere.example/p.png".into();
    let refused = foreign.create(&mut acme, "").await.unwrap_err();
    assert_eq!(fields(&refused), ["creative.preview_url"]);

    // The advertiser's domain opens that gate, so it is the operator's to set.
    let mut own = pb::Advertiser::get(&mut acme, 1).await.unwrap();
    own.domain = "elsewhere.example".into();
    let refused = own.update(&mut acme, &["domain"], "").await.unwrap_err();
    assert_eq!(fields(&refused), ["advertiser.domain"]);
    stack.stop().await;
}

#[tokio::test]
async fn names_of_tags_are_unique_among_their_owners() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let tag = |name: &str| pb::TagDefinition { name: name.into(), ..Default::default() };
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut rival = stack.api(Caller::Tenant(2)).await;
    let first = tag("Runners").create(&mut acme, "").await.unwrap();
    let twin = tag("RUNNERS").create(&mut acme, "").await.unwrap_err();
    assert_eq!(fields(&twin), ["tag_definition.name"]);
    tag("Runners").create(&mut rival, "").await.unwrap();
    pb::TagDefinition::archive(&mut acme, first.id.into(), "").await.unwrap();
    let second = tag("Runners").create(&mut acme, "").await.unwrap();
    assert!(second.id > first.id, "ids are never used again");
    stack.stop().await;
}

#[tokio::test]
async fn callers_without_the_right_credential_get_nothing() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut role = stack.api(Caller::Role).await;
    let refused = pb::Campaign::list(&mut role, 0, 0, "", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let refused = advertiser("Another").create(&mut acme, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let channel = tonic::transport::Endpoint::from_shared(stack.url()).unwrap().connect().await.unwrap();
    let mut nobody = pb::campaigns_service_client::CampaignsServiceClient::new(channel);
    let refused = nobody.get_campaign(pb::GetCampaignRequest { id: 1 }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    stack.stop().await;
}
