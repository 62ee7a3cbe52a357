//! Where in a Parquet file ids and tags are, as those who make such files write them, and a refusal that names the column
//! for everything else.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

/// A column of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its place among all columns of values.
    pub(super) column: usize,
    pub(super) meaning: Meaning,
    /// Levels, as the format has them: from where on there is a value, and from where on there is an element of the list.
    pub(super) present: i16,
    pub(super) element: i16,
    /// It is in a list.
    pub(super) repeated: bool,
}

/// What values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Text,
    /// 16 bytes.
    Uuid,
    Whole,
    /// A moment, in so many parts of a second since 1970.
    Parts(i64),
    /// A moment as Impala and Spark wrote it, 96 bits.
    Int96,
    /// A day since 1970.
    Day,
}

/// The columns of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) id: Leaf,
    pub(super) kind: Option<Leaf>,
    pub(super) source: Option<Leaf>,
    /// Names or ids of tags; not in a list: all of them in one text, as CSV has them.
    pub(super) tag: Leaf,
    pub(super) weight: Option<Leaf>,
    pub(super) expires: Option<Leaf>,
}

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Id,
    Name,
    Tag,
    Weight,
    Expires,
}

impl Shape {
    /// Of a file with these columns, or which one cannot be read and what to do about it.
    pub(super) fn of(schema: &SchemaDescriptor) -> Result<Self, String> {
        let plain = |name: &str, role| {
            let leaves = under(schema, name);
            match &leaves[..] {
                [] => Ok(None),
                [only] if only.1.max_rep_level() == 0 && only.1.path().parts().len() == 1 => {
                    leaf(*only, role).map(Some)
                }
                _ => Err(format!("column {name:?} is a list or a struct: write one text for each user")),
            }
        };
        let id = plain("id", Role::Id)?;
        let id = id.ok_or("it has no column \"id\": name the column of user ids so")?;
        let (kind, source) = (plain("kind", Role::Name)?, plain("source", Role::Name)?);
        let leaves = under(schema, "tags");
        if leaves.iter().any(|(_, column)| column.max_rep_level() == 0 && column.path().parts().len() > 1) {
            return Err("column \"tags\" is a struct: write a list of structs, or a map".into());
        }
        let [tag, weight, expires] = tags(&leaves)?;
        let tag = tag.ok_or("it has no column \"tags\": write a list of structs (tag, weight, expires), a map, or a list of names")?;
        Ok(Self { id, kind, source, tag, weight, expires })
    }
}

type Column<'a> = (usize, &'a ColumnDescriptor);

/// The columns of values in the column of that name.
fn under<'a>(schema: &'a SchemaDescriptor, name: &str) -> Vec<Column<'a>> {
    let columns = schema.columns().iter().map(AsRef::as_ref).enumerate();
    let first = |column: &ColumnDescriptor| column.path().parts().first().cloned().unwrap_or_default();
    columns.filter(|(_, column)| first(column).eq_ignore_ascii_case(name)).collect()
}

/// Tag, weight and expiry.
fn tags(leaves: &[Column<'_>]) -> Result<[Option<Leaf>; 3], String> {
    let mut found = [const { None }; 3];
    for one @ (_, column) in leaves {
        let role = match column.name().to_ascii_lowercase().as_str() {
            _ if leaves.len() == 1 => Role::Tag,
            "tag" | "name" | "key" | "id" => Role::Tag,
            "weight" | "value" => Role::Weight,
            "expires" => Role::Expires,
            _ => {
                return Err(format!(
                    "column {} is unknown: a tag has the fields tag, weight and expires, and a map of names has weights",
                    path(column)
                ));
            }
        };
        if column.max_rep_level() > 1 {
            return Err(format!("column {} is a list in a list: write one list of tags", path(column)));
        }
        let place = match role {
            Role::Weight => 1,
            Role::Expires => 2,
            Role::Tag | Role::Id | Role::Name => 0,
        };
        if let Some(place) = found.get_mut(place)
            && place.replace(leaf(*one, role)?).is_some()
        {
            return Err(format!(
                "column {} says again what another one says: write one of them",
                path(column)
            ));
        }
    }
    Ok(found)
}

fn leaf((column, of): Column<'_>, role: Role) -> Result<Leaf, String> {
    let meaning = meaning(of);
    let good = match (role, meaning) {
        (Role::Id, Some(Meaning::Text | Meaning::Uuid)) | (Role::Name, Some(Meaning::Text)) => true,
        (Role::Tag, Some(Meaning::Text)) => true,
        (Role::Tag, Some(Meaning::Whole)) => of.max_rep_level() > 0,
        (Role::Weight, Some(Meaning::Whole)) => true,
        (Role::Expires, Some(Meaning::Whole | Meaning::Parts(_) | Meaning::Int96 | Meaning::Day)) => true,
        _ => false,
    };
    match meaning {
        Some(meaning) if good => Ok(Leaf {
            column,
            meaning,
            present: of.max_def_level(),
            element: of.repeated_ancestor_def_level(),
            repeated: of.max_rep_level() > 0,
        }),
        _ => {
            let wanted = match role {
                Role::Id | Role::Name => "text: CAST(... AS VARCHAR)",
                Role::Tag => "names as text, or ids of tags as whole numbers in a list",
                Role::Weight => {
                    "whole numbers from 0 to 255: CAST(ROUND(255 * weight) AS INTEGER) for shares of one"
                }
                Role::Expires => "timestamps, dates, or whole seconds since 1970",
            };
            Err(format!("column {} is of type {}; write {wanted}", path(of), type_of(of)))
        }
    }
}

fn meaning(column: &ColumnDescriptor) -> Option<Meaning> {
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (Physical::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum | LogicalType::Json), _)
        | (Physical::BYTE_ARRAY, None, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::NONE) => {
            Some(Meaning::Text)
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid), _) => Some(Meaning::Uuid),
        (Physical::INT64, Some(LogicalType::Timestamp(time)), _) => Some(Meaning::Parts(match time.unit {
            TimeUnit::MILLIS => 1_000,
            TimeUnit::MICROS => 1_000_000,
            TimeUnit::NANOS => 1_000_000_000,
        })),
        (Physical::INT64, None, ConvertedType::TIMESTAMP_MILLIS) => Some(Meaning::Parts(1_000)),
        (Physical::INT64, None, ConvertedType::TIMESTAMP_MICROS) => Some(Meaning::Parts(1_000_000)),
        (Physical::INT96, ..) => Some(Meaning::Int96),
        (Physical::INT32, Some(LogicalType::Date), _) | (Physical::INT32, None, ConvertedType::DATE) => {
            Some(Meaning::Day)
        }
        (Physical::INT32 | Physical::INT64, Some(LogicalType::Integer(_)), _) => Some(Meaning::Whole),
        (Physical::INT32 | Physical::INT64, None, converted) => match converted {
            ConvertedType::DECIMAL | ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => None,
            _ => Some(Meaning::Whole),
        },
        _ => None,
    }
}

fn path(column: &ColumnDescriptor) -> String {
    format!("{:?}", column.path().string())
}

fn type_of(column: &ColumnDescriptor) -> String {
    match column.logical_type_ref() {
        Some(logical) => format!("{logical:?}"),
        None => column.physical_type().to_string(),
    }
}
