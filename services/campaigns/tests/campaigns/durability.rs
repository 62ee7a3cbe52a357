//! What was acknowledged stays, and who did it is known.

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tagbid_testkit::{Durability, PostgresServer, wait_for_async};
use tagbid_wire::pb::campaigns as pb;
use tonic::Code;

use crate::harness::{Caller, Database, PATIENCE, Stack, campaign, two_tenants};
use crate::kinds::Kind;

#[tokio::test]
async fn a_database_that_dies_loses_nothing_and_the_role_outlives_it() {
    let mut server = PostgresServer::start(Durability::On).unwrap();
    let stack = Stack::start(&Database::at(server.database().unwrap().url())).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let kept = campaign("Spring").create(&mut acme, "").await.unwrap();

    server.kill();
    let refused = campaign("Summer").create(&mut acme, "summer").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");

    server.restart().unwrap();
    let made = wait_for_async("the database", PATIENCE, async || {
        campaign("Summer").create(&mut acme, "summer").await.ok()
    })
    .await;
    let (all, _) = pb::Campaign::list(&mut acme, 0, 0, "", false).await.unwrap();
    assert_eq!(all, [kept, made]);
    stack.stop().await;
}

#[tokio::test]
async fn every_change_is_in_the_audit_with_its_author() {
    let database = Database::sqlite();
    let stack = Stack::start(&database).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let made = campaign("Spring").create(&mut acme, "").await.unwrap();
    let mut renamed = made.clone();
    renamed.name = "Summer".into();
    let mut operator = stack.api(Caller::Operator).await;
    renamed.clone().update(&mut operator, &["name"], "").await.unwrap();
    renamed.update(&mut acme, &["name"], "").await.unwrap();
    pb::Campaign::archive(&mut acme, made.id, "").await.unwrap();

    let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
    let rows =
        sqlx::query("SELECT principal, action, fields FROM audit WHERE kind = 'campaign' ORDER BY revision")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let rows: Vec<[String; 3]> = rows.iter().map(|row| [0, 1, 2].map(|column| row.get(column))).collect();
    let expected =
        [["Tenant(1)", "create", ""], ["Operator", "update", "name"], ["Tenant(1)", "archive", ""]];
    assert_eq!(rows, expected, "an update that changes nothing is no change");
    stack.stop().await;
}

#[tokio::test]
async fn an_update_that_changed_nothing_is_answered_the_same_when_repeated() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let made = campaign("Spring").create(&mut acme, "").await.unwrap();
    let request = |name: &str| pb::UpdateCampaignRequest {
        campaign: Some(pb::Campaign { id: made.id, name: name.into(), ..Default::default() }),
        request_id: name.into(),
        ..Default::default()
    };
    let first = acme.update_campaign(request("Spring")).await.unwrap().into_inner();
    acme.update_campaign(request("Summer")).await.unwrap();
    // The first one's answer was lost; repeating it must not take the second one back.
    let again = acme.update_campaign(request("Spring")).await.unwrap().into_inner();
    assert_eq!(again, first);
    assert_eq!(pb::Campaign::get(&mut acme, made.id).await.unwrap().name, "Summer");
    stack.stop().await;
}
