//! Sentences for people.

/// "1 user", "2 users".
pub(crate) fn count(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_nothing_else_is() {
        let told = [0, 1, 2].map(|n| count(n, "person", "persons"));
        assert_eq!(told, ["0 persons", "1 person", "2 persons"]);
    }
}
