//! Starts the Redis and the PostgreSQL that tests get and prints, one a line, what a developer needs to look
//! into them by hand: `NAME URL PID`; with the argument `cluster`, a Redis Cluster too. All end with this program (Ctrl-C).

use std::io::{self, Write};

use tagbid_testkit::{Durability, KitError, PostgresServer, RedisCluster, RedisServer};

fn main() -> Result<(), KitError> {
    let redis = RedisServer::start()?;
    let postgres = PostgresServer::start(Durability::Off)?;
    let mut out = io::stdout();
    let mut lines = vec![
        ("redis", redis.database()?.url().to_owned(), redis.pid()),
        ("postgres", postgres.database()?.url().to_owned(), postgres.pid()),
    ];
    let cluster = std::env::args().any(|word| word == "cluster").then(RedisCluster::start).transpose()?;
    if let Some(cluster) = &cluster {
        let nodes = cluster.urls().into_iter().enumerate();
        lines.extend(nodes.map(|(index, url)| ("redis-cluster", url, cluster.node(index).pid())));
    }
    for (name, url, pid) in lines {
        writeln!(out, "{name} {url} {}", pid.unwrap_or_default()).ok();
    }
    out.flush().ok();
    loop {
        std::thread::park();
    }
}
