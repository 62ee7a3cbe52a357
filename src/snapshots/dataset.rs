//! A dataset as people name it: by its id, or by its name.

use std::str::FromStr;

use anyhow::bail;
use tagbid_catalog::DatasetKind;
use tagbid_clients::{FoundDataset, SnapshotsClient};
use tagbid_types::DatasetId;

/// Datasets that an error names.
const CHOICES: usize = 10;

/// What `--dataset` says. Digits alone are an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dataset {
    Id(u32),
    Name(String),
}

impl FromStr for Dataset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" => Err("empty: give the dataset's id or its name".into()),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map(Self::Id).map_err(|_| "too large for an id".into())
            }
            name => Ok(Self::Name(name.into())),
        }
    }
}

impl Dataset {
    /// Which one of that kind it is.
    pub(super) async fn find(
        &self,
        kind: DatasetKind,
        client: &mut SnapshotsClient,
    ) -> anyhow::Result<DatasetId> {
        let of = match kind {
            DatasetKind::Offline => "offline",
            DatasetKind::Realtime => "real-time",
        };
        match self {
            Self::Id(id) => Ok(DatasetId(*id)),
            Self::Name(name) => match &client.find(kind, name).await?[..] {
                [only] => Ok(only.id),
                [] => bail!(
                    "no dataset {name:?} of {of} tags that you may write; there are: {}",
                    choices(&client.find(kind, "").await?)
                ),
                several => bail!("several datasets are called {name:?}: {}; give the id", choices(several)),
            },
        }
    }
}

fn choices(datasets: &[FoundDataset]) -> String {
    let choice = |one: &FoundDataset| match one.advertiser {
        Some(advertiser) => format!("{} ({:?}, of advertiser {advertiser})", one.id, one.name),
        None => format!("{} ({:?}, of the operator)", one.id, one.name),
    };
    let mut all: Vec<_> = datasets.iter().take(CHOICES).map(choice).collect();
    if all.is_empty() {
        return "none; create one first".into();
    }
    if datasets.len() > CHOICES {
        all.push(format!("and {} more", datasets.len() - CHOICES));
    }
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_an_id_and_anything_else_a_name() {
        assert_eq!("12".parse(), Ok(Dataset::Id(12)));
        assert_eq!(" Loyalty 2026 ".parse(), Ok(Dataset::Name("Loyalty 2026".into())));
        for bad in ["", " ", "99999999999"] {
            assert!(bad.parse::<Dataset>().is_err(), "{bad:?}");
        }
    }
}
