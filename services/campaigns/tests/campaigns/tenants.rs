//! No RPC reads or writes another tenant's rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tagbid_catalog::Place;
use tagbid_ports::{CatalogFeed, SuppressionFeed};
use tagbid_types::Revision;
use tagbid_wire::pb::campaigns as pb;
use tonic::{Code, Status};

use crate::harness::{Api, Caller, Database, Stack, advertiser, campaign, creative, line_item, two_tenants};
use crate::kinds::Kind;

/// What a tenant tries. Ids are small, so that they often hit: the caller's own, the other's, the operator's, nobody's.
#[derive(Clone, Debug)]
enum Try {
    Create { owner: u64, refers_to: u64 },
    Get { id: u64 },
    List { owner: u64 },
    Update { id: u64, refers_to: u64, replace: bool },
    Archive { id: u64 },
    Validate { id: u64, refers_to: u64 },
    Explain { id: u64 },
    Funnel { id: u64 },
}

fn a_try() -> impl Strategy<Value = Try> {
    let id = || 0_u64..8;
    prop_oneof![
        3 => (0_u64..4, id()).prop_map(|(owner, refers_to)| Try::Create { owner, refers_to }),
        2 => id().prop_map(|id| Try::Get { id }),
        2 => (0_u64..4).prop_map(|owner| Try::List { owner }),
        3 => (id(), id(), any::<bool>())
            .prop_map(|(id, refers_to, replace)| Try::Update { id, refers_to, replace }),
        1 => id().prop_map(|id| Try::Archive { id }),
        1 => (id(), id()).prop_map(|(id, refers_to)| Try::Validate { id, refers_to }),
        1 => id().prop_map(|id| Try::Explain { id }),
        1 => id().prop_map(|id| Try::Funnel { id }),
    ]
}

/// What a kind looks like in a try.
trait Sample: Kind {
    fn sample(refers_to: u64, nonce: u64) -> Self;
    /// Whether the operator's are for everybody to read.
    const SHARED: bool = false;
}

impl Sample for pb::Advertiser {
    fn sample(_: u64, nonce: u64) -> Self {
        advertiser(&format!("advertiser {nonce}"))
    }
}

impl Sample for pb::Campaign {
    fn sample(_: u64, nonce: u64) -> Self {
        campaign(&format!("campaign {nonce}"))
    }
}

impl Sample for pb::LineItem {
    fn sample(refers_to: u64, _: u64) -> Self {
        let mut item = line_item(refers_to, refers_to);
        let test = |test| pb::Leaf { test: Some(test) };
        let leaf = |leaf| pb::Expression { node: Some(pb::expression::Node::Leaf(leaf)) };
        let tag = test(pb::leaf::Test::Tag(pb::TagTest {
            any_of_tag_ids: vec![refers_to.try_into().unwrap()],
            ..Default::default()
        }));
        let list = test(pb::leaf::Test::OnList(pb::OnList {
            dimension: pb::Dimension::Domain.into(),
            list_id: refers_to,
        }));
        item.targeting = Some(leaf(if refers_to.is_multiple_of(2) { tag } else { list }));
        item
    }
}

impl Sample for pb::Creative {
    fn sample(_: u64, nonce: u64) -> Self {
        creative(&format!("creative {nonce}"))
    }
}

impl Sample for pb::Deal {
    fn sample(_: u64, nonce: u64) -> Self {
        Self {
            name: "deal".into(),
            exchange: "demo".into(),
            code: format!("d{nonce}"),
            auction: pb::DealAuction::Fixed.into(),
            price_cpm_micros: 1,
            currency: "USD".into(),
            ..Default::default()
        }
    }
}

impl Sample for pb::List {
    fn sample(_: u64, nonce: u64) -> Self {
        Self {
            name: format!("list {nonce}"),
            kind: pb::ListKind::Domain.into(),
            values: vec!["a.example".into()],
            ..Default::default()
        }
    }
}

impl Sample for pb::Dataset {
    fn sample(_: u64, nonce: u64) -> Self {
        Self { name: format!("dataset {nonce}"), ..Default::default() }
    }

    const SHARED: bool = true;
}

impl Sample for pb::TagDefinition {
    fn sample(_: u64, nonce: u64) -> Self {
        Self { name: format!("tag {nonce}"), ..Default::default() }
    }

    const SHARED: bool = true;
}

/// Does the same for the kind of that number.
macro_rules! for_kind {
    ($number:expr, $function:ident($($argument:expr),*)) => {
        match $number % 8 {
            0 => $function::<pb::Advertiser>($($argument),*).await,
            1 => $function::<pb::Campaign>($($argument),*).await,
            2 => $function::<pb::LineItem>($($argument),*).await,
            3 => $function::<pb::Creative>($($argument),*).await,
            4 => $function::<pb::Deal>($($argument),*).await,
            5 => $function::<pb::List>($($argument),*).await,
            6 => $function::<pb::Dataset>($($argument),*).await,
            _ => $function::<pb::TagDefinition>($($argument),*).await,
        }
    };
}

/// One tenant's try at one kind: everything that comes back is the tenant's own, or shared and only read; and what is
/// the other's is told exactly like what does not exist.
async fn attempt<K: Sample>(api: &mut Api, own: u64, what: &Try, nonce: u64) {
    match what {
        Try::Create { owner, refers_to } => {
            let mut wanted = K::sample(*refers_to, nonce);
            wanted.set_owner(*owner);
            if let Ok(made) = wanted.create(api, "").await {
                assert_eq!(made.owner(), own, "{what:?} made {made:?}");
            }
        }
        Try::Get { id } => answered::<K>(K::get(api, *id).await, own, *id, true),
        Try::List { owner } => {
            let (listed, _) = K::list(api, *owner, 1_000, "", true).await.unwrap();
            for entity in listed {
                assert!(entity.owner() == own || (K::SHARED && entity.owner() == 0), "{entity:?}");
            }
        }
        Try::Update { id, refers_to, replace } => {
            let mut wanted = K::sample(*refers_to, nonce);
            wanted.set_id(*id);
            let paths: &[&str] = if *replace { &["*"] } else { &["name"] };
            answered::<K>(wanted.update(api, paths, "").await, own, *id, false);
        }
        Try::Archive { id } => answered::<K>(K::archive(api, *id, "").await, own, *id, false),
        Try::Validate { id, refers_to } => {
            let mut item = pb::LineItem::sample(*refers_to, nonce);
            item.id = *id;
            let request = pb::ValidateLineItemRequest { line_item: Some(item) };
            let result = api.validate_line_item(request).await;
            not_told::<pb::LineItem>(&result.map(drop), *id);
        }
        Try::Explain { id } => {
            let request = pb::ExplainRequest {
                line_item_id: *id,
                exchange: "demo".into(),
                openrtb_json: b"{}".to_vec(),
            };
            not_told::<pb::LineItem>(&api.explain(request).await.map(drop), *id);
        }
        Try::Funnel { id } => {
            let request = pb::GetFunnelRequest { line_item_ids: vec![*id] };
            not_told::<pb::LineItem>(&api.get_funnel(request).await.map(drop), *id);
        }
    }
}

fn answered<K: Sample>(result: Result<K, Status>, own: u64, id: u64, reading: bool) {
    if let Ok(entity) = &result {
        let readable = reading && K::SHARED && entity.owner() == 0;
        assert!(entity.owner() == own || readable, "{own} got {entity:?}");
    }
    not_told::<K>(&result.map(drop), id);
}

/// A NOT_FOUND says the same words whoever else owns the id.
fn not_told<K: Sample>(result: &Result<(), Status>, id: u64) {
    if let Err(status) = result
        && status.code() == Code::NotFound
    {
        let kind = K::KIND;
        assert_eq!(status.message(), format!("there is no {kind} {id}"));
    }
}

/// Everything of one owner, as the operator sees it.
async fn rows_of(operator: &mut Api, owner: u64) -> BTreeMap<(usize, u64), String> {
    let mut rows = BTreeMap::new();
    for number in 0..8 {
        for_kind!(number, collect(operator, owner, number, &mut rows));
    }
    rows
}

async fn collect<K: Kind>(
    operator: &mut Api,
    owner: u64,
    number: usize,
    rows: &mut BTreeMap<(usize, u64), String>,
) {
    let (all, _) = K::list(operator, owner, 1_000, "", true).await.unwrap();
    let own = all.into_iter().filter(|entity| entity.owner() == owner);
    rows.extend(own.map(|entity| ((number, entity.id()), format!("{entity:?}"))));
}

/// Whatever one tenant tries, the other's rows and the operator's stay as they were, and nothing of them is told.
#[test]
fn no_rpc_reads_or_writes_anothers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stack, callers) = runtime.block_on(async {
        let stack = Stack::start(&Database::sqlite()).await;
        two_tenants(&stack).await;
        let mut operator = stack.api(Caller::Operator).await;
        pb::Dataset::sample(0, 0).create(&mut operator, "").await.unwrap();
        pb::TagDefinition::sample(0, 0).create(&mut operator, "").await.unwrap();
        let tenants = [stack.api(Caller::Tenant(1)).await, stack.api(Caller::Tenant(2)).await];
        (stack, (operator, tenants))
    });
    let tries = prop::collection::vec((1_u64..3, 0_usize..8, a_try()), 1..16);
    let config = Config { cases: 16, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let nonces = AtomicU64::new(1);
    let result = runner.run(&tries, |tries| {
        runtime.block_on(async {
            let (mut operator, [first, second]) = callers.clone();
            for (own, kind, what) in tries {
                let nonce = nonces.fetch_add(1, Ordering::Relaxed);
                let mut api = if own == 1 { first.clone() } else { second.clone() };
                let others = [3 - own, 0];
                let mut before = Vec::new();
                for other in others {
                    before.push(rows_of(&mut operator, other).await);
                }
                for_kind!(kind, attempt(&mut api, own, &what, nonce));
                for (other, before) in others.into_iter().zip(before) {
                    let after = rows_of(&mut operator, other).await;
                    assert_eq!(before, after, "{what:?} by {own} changed rows of {other}");
                }
            }
        });
        Ok(())
    });
    result.unwrap();
    runtime.block_on(async {
        line_items_stay_within_their_tenant(&stack).await;
        stack.stop().await;
    });
}

/// No line item came to refer to another's campaign, creative, list or tag.
async fn line_items_stay_within_their_tenant(stack: &Stack) {
    let mut operator = stack.api(Caller::Operator).await;
    let (items, _) = pb::LineItem::list(&mut operator, 0, 1_000, "", true).await.unwrap();
    for item in items {
        let owner = item.advertiser_id;
        let campaign = pb::Campaign::get(&mut operator, item.campaign_id).await.unwrap();
        assert_eq!(campaign.owner(), owner);
        for id in &item.creative_ids {
            assert_eq!(pb::Creative::get(&mut operator, *id).await.unwrap().owner(), owner);
        }
        let Some(pb::expression::Node::Leaf(leaf)) = item.targeting.unwrap().node else {
            continue;
        };
        match leaf.test.unwrap() {
            pb::leaf::Test::Tag(test) => {
                for id in test.any_of_tag_ids {
                    let tag = pb::TagDefinition::get(&mut operator, id.into()).await.unwrap();
                    assert!([0, owner].contains(&tag.owner()));
                }
            }
            pb::leaf::Test::OnList(test) => {
                let list = pb::List::get(&mut operator, test.list_id).await.unwrap();
                assert_eq!(list.owner(), owner);
            }
            other => panic!("no sample tests {other:?}"),
        }
    }
}

/// The streams carry everybody's rows: no tenant opens them, whatever it asks from.
#[tokio::test]
async fn no_tenant_opens_a_stream_or_touches_a_suppression() {
    use futures_util::StreamExt;

    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    for tenant in [Caller::Tenant(1), Caller::Tenant(2)] {
        for from in [0, 1, 99] {
            let catalog = stack
                .catalog(tenant)
                .subscribe(Place { revision: Revision(from), ..Place::default() })
                .next()
                .await;
            assert!(catalog.unwrap().is_err());
            let suppressions = stack.suppressions(tenant).subscribe(Revision(from)).next().await;
            assert!(suppressions.unwrap().is_err());
        }
        let mut suppression = stack.suppression(tenant).await;
        let user = pb::SuppressionUser { user: Some(pb::suppression_user::User::UserKey(vec![1; 16])) };
        let refusals = [
            suppression.suppress(pb::SuppressRequest { users: vec![user.clone()] }).await.map(drop),
            suppression.lift(pb::LiftRequest { users: vec![user.clone()] }).await.map(drop),
            suppression.check(pb::CheckRequest { user: Some(user) }).await.map(drop),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err().code(), Code::PermissionDenied);
        }
    }
    stack.stop().await;
}
