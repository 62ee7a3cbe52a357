//! What to call a database in errors and logs: enough to find it, never its password.

/// The database of a URL, in words: `PostgreSQL database "tagbid" on db.example:5432` or `SQLite file /var/a.db`.
pub fn place(url: &str) -> String {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return format!("SQLite file {}", without_query(path));
    }
    let Some((_, rest)) = url.split_once("://") else {
        return "a database whose URL cannot be read".into();
    };
    // The password is before the last "@" of the authority; options after "?" may hold one too.
    let (authority, name) = without_query(rest).split_once('/').unwrap_or((without_query(rest), ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = if host.is_empty() { "localhost" } else { host };
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let port = if has_port { "" } else { ":5432" };
    format!("PostgreSQL database {name:?} on {host}{port}")
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_database_is_named_without_its_password() {
        for (url, name) in [
            ("sqlite:/var/lib/tagbid/catalog.db", "SQLite file /var/lib/tagbid/catalog.db"),
            ("sqlite://catalog.db?mode=rwc", "SQLite file catalog.db"),
            ("postgres://u:p%40ss@db.example/tagbid", "PostgreSQL database \"tagbid\" on db.example:5432"),
            ("postgresql://u:p@ss@[::1]:6000/x?password=q", "PostgreSQL database \"x\" on [::1]:6000"),
            ("postgres:///x?host=/run/pg&password=q", "PostgreSQL database \"x\" on localhost:5432"),
            ("nonsense:secret", "a database whose URL cannot be read"),
        ] {
            assert_eq!(place(url), name);
        }
    }
}
