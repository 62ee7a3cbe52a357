use std::panic::catch_unwind;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use tagbid_clients::{TagRef, TagToLoad, UserToLoad};
use tagbid_tagset::IdKind;
use tagbid_types::Timestamp;

use super::super::tests::{read, read_all, tag, user};

/// 2030-01-01.
const NEW_YEAR: Timestamp = Timestamp(1_893_456_000_000_000);

fn expiring(tag: TagRef, weight: u32) -> TagToLoad {
    TagToLoad { tag, weight, expires: Some(NEW_YEAR) }
}

/// `COPY (...) TO ... (COMPRESSION zstd)` of three rows with `[{'tag': 'Runners', 'weight': 80::utinyint, 'expires':
/// timestamptz '2030-01-01 00:00:00+00'}, {'tag': 'Coffee', 'weight': null, 'expires': null}]`, `[]` and NULL.
#[test]
fn lists_of_structs_as_duckdb_writes_them() {
    let found = read("users.parquet", include_bytes!("data/duckdb-structs.parquet"));
    let runners = expiring(TagRef::Name("Runners".into()), 80);
    let first = user("a", vec![runners, tag("Coffee", 255)]);
    assert_eq!(found, [(1, Ok(first)), (2, Ok(user("b", vec![]))), (3, Ok(user("c", vec![])))]);
}

/// `SELECT uuid '...' AS id, 'eid' AS kind, 'x.com' AS source, map {'Runners': 80, 'Coffee': null} AS tags`.
#[test]
fn maps_and_uuids_as_duckdb_writes_them() {
    let found = read("users.parquet", include_bytes!("data/duckdb-map.parquet"));
    let user = UserToLoad {
        kind: IdKind::Eid,
        source: "x.com".into(),
        id: "6d92078a-8246-4ba4-ae5b-76104861e7dc".into(),
        tags: vec![tag("Runners", 80), tag("Coffee", 255)],
    };
    assert_eq!(found, [(1, Ok(user))]);
}

/// `array<struct<tag: bigint, weight: int, expires: timestamp>>` with moments of 96 bits and Snappy, Spark's defaults; written by
/// Arrow's Parquet writer.
#[test]
fn what_is_wrong_with_a_row_is_told_by_its_number() {
    let found = read("users.snappy.parquet", include_bytes!("data/spark-int96.parquet"));
    assert_eq!(found[0], (1, Ok(user("a", vec![expiring(TagRef::Id(7), 80)]))));
    let problems: Vec<_> = found[1..].iter().map(|(row, user)| (*row, user.clone().unwrap_err())).collect();
    let expected =
        [(2, "tags[0].weight: -1: use 0 to 255"), (3, "id: null"), (4, "tags[0]: the tag is null")];
    assert_eq!(problems, expected.map(|(row, problem)| (row, problem.to_owned())));
}

/// `map<string, struct<weight: tinyint, expires: date>>`, gzip; written by Arrow's Parquet writer.
#[test]
fn maps_of_structs_with_dates() {
    let found = read("users.parquet", include_bytes!("data/pandas-map.parquet"));
    let runners = expiring(TagRef::Name("Runners".into()), 5);
    assert_eq!(found, [(1, Ok(user("a", vec![runners]))), (2, Ok(user("b", vec![])))]);
}

/// A column's values with their levels.
type Levels = (Vec<i16>, Vec<i16>);

struct Writer(SerializedFileWriter<Vec<u8>>);

impl Writer {
    fn new(schema: &str) -> Self {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let pages = WriterProperties::builder().set_data_page_row_count_limit(100).set_write_batch_size(64);
        Self(SerializedFileWriter::new(Vec::new(), schema, Arc::new(pages.build())).unwrap())
    }

    /// A row group with text ids and a column of tags.
    fn group<T: DataType>(&mut self, ids: &[&[u8]], values: &[T::T], (defined, repeats): &Levels) {
        let mut group = self.0.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let ids: Vec<_> = ids.iter().map(|id| ByteArray::from(id.to_vec())).collect();
        column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(values, Some(defined), Some(repeats)).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }

    fn end(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A column of the next row group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    (defined, repeats): &Levels,
) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, Some(defined), Some(repeats)).unwrap();
    column.close().unwrap();
}

/// As Spark writes `array<struct<tag: string, weight: int, expires: timestamp>>`, every part of which may be null.
const STRUCTS: &str =
    "message users { required binary id (UTF8); optional group tags (LIST) { repeated group list {
    optional group element { optional binary tag (UTF8); optional int32 weight;
    optional int64 expires (TIMESTAMP(MICROS,true)); } } } }";

/// What is written of a user: null, or a list of tags with what they say of weight and expiry.
type Written = Option<Vec<(&'static str, Option<i32>, Option<i64>)>>;

/// Of all kinds that there are, in turn.
fn written(n: usize) -> Written {
    let (weight, expires) = (i32::try_from(n % 256).unwrap(), NEW_YEAR.0);
    match n % 5 {
        0 => None,
        1 => Some(vec![]),
        2 => Some(vec![("Runners", None, None)]),
        3 => Some(vec![("Runners", Some(weight), None), ("Tea", None, Some(expires))]),
        _ => Some(vec![("Tea", Some(weight), Some(expires)); n % 7]),
    }
}

fn expected(n: usize) -> UserToLoad {
    let tags = written(n).unwrap_or_default().into_iter().map(|(name, weight, expires)| TagToLoad {
        tag: TagRef::Name(name.into()),
        weight: weight.map_or(255, |weight| weight.try_into().unwrap()),
        expires: expires.map(Timestamp),
    });
    user(&format!("u{n}"), tags.collect())
}

/// The levels of one field of the tags, and its values where there are any: 4 is a value, 3 null in a tag, 1 an empty
/// list, 0 none.
fn field<T>(
    users: &[Written],
    of: impl Fn(&(&'static str, Option<i32>, Option<i64>)) -> Option<T>,
) -> (Vec<T>, Levels) {
    let (mut values, mut levels) = (Vec::new(), Levels::default());
    for user in users {
        let tags = user.as_deref().unwrap_or_default();
        if tags.is_empty() {
            levels.0.push(i16::from(user.is_some()));
            levels.1.push(0);
        }
        for (place, tag) in tags.iter().enumerate() {
            let value = of(tag);
            levels.0.push(if value.is_some() { 4 } else { 3 });
            levels.1.push(i16::from(place > 0));
            values.extend(value);
        }
    }
    (values, levels)
}

#[test]
fn lists_of_structs_come_whole_over_pages_and_row_groups_whatever_is_null() {
    let mut writer = Writer::new(STRUCTS);
    let all: Vec<_> = (0..2_000).collect();
    for part in all.chunks(700) {
        let users: Vec<_> = part.iter().map(|n| written(*n)).collect();
        let mut group = writer.0.next_row_group().unwrap();
        let mut ids = group.next_column().unwrap().unwrap();
        let texts: Vec<_> = part.iter().map(|n| ByteArray::from(format!("u{n}").as_str())).collect();
        ids.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        ids.close().unwrap();
        let (tags, levels) = field(&users, |tag| Some(ByteArray::from(tag.0)));
        column::<ByteArrayType>(&mut group, &tags, &levels);
        let (weights, levels) = field(&users, |tag| tag.1);
        column::<Int32Type>(&mut group, &weights, &levels);
        let (expires, levels) = field(&users, |tag| tag.2);
        column::<Int64Type>(&mut group, &expires, &levels);
        group.close().unwrap();
    }
    let found = read("users.parquet", &writer.end());
    assert_eq!(found.len(), all.len());
    for (n, one) in found.into_iter().enumerate() {
        assert_eq!(one, (n as u64 + 1, Ok(expected(n))));
    }
}

const NAMES: &str = "message users { required binary id (UTF8); repeated binary tags (UTF8); }";

fn texts(texts: &[&str]) -> Vec<ByteArray> {
    texts.iter().map(|text| ByteArray::from(*text)).collect()
}

/// Users in row groups of 700, every third without tags.
fn many(users: u32) -> Vec<u8> {
    let mut writer = Writer::new(NAMES);
    let numbers: Vec<u32> = (0..users).collect();
    for part in numbers.chunks(700) {
        let ids: Vec<_> = part.iter().map(|n| format!("u{n}").into_bytes()).collect();
        let ids: Vec<_> = ids.iter().map(Vec::as_slice).collect();
        let (mut values, mut levels) = (Vec::new(), Levels::default());
        for n in part {
            let tags = &["Runners", "Tea"][..*n as usize % 3];
            values.extend(texts(tags));
            levels.0.extend(vec![i16::from(!tags.is_empty()); tags.len().max(1)]);
            levels.1.extend((0..tags.len().max(1)).map(|i| i16::from(i > 0)));
        }
        writer.group::<ByteArrayType>(&ids, &values, &levels);
    }
    writer.end()
}

#[test]
fn repeated_names_come_in_order_over_pages_and_row_groups() {
    let found = read("users.parquet", &many(3_000));
    assert_eq!(found.len(), 3_000);
    for (n, (row, one)) in found.into_iter().enumerate() {
        let tags = [tag("Runners", 255), tag("Tea", 255)];
        assert_eq!((row, one), (n as u64 + 1, Ok(user(&format!("u{n}"), tags[..n % 3].to_vec()))));
    }
}

#[test]
fn text_that_is_none_is_refused_by_row_and_never_quoted() {
    let mut writer = Writer::new(NAMES);
    let levels = (vec![1, 1, 1], vec![0, 0, 0]);
    let values = [ByteArray::from("x"), ByteArray::from(b"\xff\xfe".to_vec()), ByteArray::from("y")];
    writer.group::<ByteArrayType>(&[b"secret\xff", b"b", b"c"], &values, &levels);
    let found = read("users.parquet", &writer.end());
    let problems: Vec<_> = found.iter().map(|(_, user)| user.clone().err()).collect();
    assert_eq!(problems, [Some("id: not UTF-8".into()), Some("tags: not UTF-8".into()), None]);
}

#[test]
fn columns_that_cannot_be_read_are_named_with_what_to_do() {
    let schema = |columns: &str| Writer::new(&format!("message users {{ {columns} }}")).end();
    let tags = "optional group tags (LIST) { repeated group list { optional group element {";
    let cases = [
        ("required binary user (UTF8); repeated binary tags (UTF8);", "no column \"id\""),
        ("required binary id (UTF8);", "no column \"tags\""),
        ("required int64 id; repeated binary tags (UTF8);", "\"id\" is of type INT64; write text: CAST"),
        ("required binary id (UTF8); required int32 tags;", "\"tags\" is of type INT32; write names"),
        (
            &format!(
                "required binary id (UTF8); {tags} required binary tag (UTF8); required double weight; }} }} }}"
            ),
            "\"tags.list.element.weight\" is of type DOUBLE; write whole numbers from 0 to 255",
        ),
        (
            &format!(
                "required binary id (UTF8); {tags} required binary tag (UTF8); required int32 rank; }} }} }}"
            ),
            "\"tags.list.element.rank\" is unknown",
        ),
        (
            "required binary id (UTF8); required group tags { required binary tag (UTF8); required int32 weight; }",
            "is a struct: write a list of structs",
        ),
        (
            "required binary id (UTF8); repeated group tags { repeated group a { required binary tag (UTF8); required int32 weight; } }",
            "list in a list",
        ),
        ("repeated binary id (UTF8); repeated binary tags (UTF8);", "\"id\" is a list"),
    ];
    for (columns, problem) in cases {
        let (_, ended) = read_all("users.parquet", &schema(columns));
        let error = ended.unwrap_err().to_string();
        assert!(error.contains(problem), "{columns}: {error}");
    }
}

#[test]
fn ids_of_tags_and_weights_that_are_out_of_range_are_refused_by_row() {
    let mut writer = Writer::new("message users { required binary id (UTF8); repeated int32 tags; }");
    writer.group::<Int32Type>(&[b"a", b"b"], &[7, -7], &(vec![1, 1], vec![0, 0]));
    let found = read("users.parquet", &writer.end());
    assert_eq!(found[0].1.as_ref().unwrap().tags[0].tag, TagRef::Id(7));
    assert_eq!(found[1], (2, Err("tags[0]: -7 is no id of a tag".into())));
}

#[test]
fn other_columns_are_left_alone() {
    let schema =
        "message users { required binary id (UTF8); required double score; repeated binary tags (UTF8); }";
    let mut writer = Writer::new(schema);
    let mut group = writer.0.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts(&["a"]), None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[0.5], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts(&["x"]), Some(&[1]), Some(&[0])).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    assert_eq!(read("users.parquet", &writer.end()), [(1, Ok(user("a", vec![tag("x", 255)])))]);
}

#[test]
fn a_file_that_was_cut_off_or_is_none_is_refused() {
    let whole = many(100);
    for cut in [whole.len() - 1, whole.len() / 2, 12, 3, 0] {
        let (found, ended) = read_all("users.parquet", &whole[..cut]);
        let error = ended.unwrap_err().to_string();
        assert!(found.is_empty() && error.contains("no Parquet file, or was cut off"), "{error}");
    }
    let (_, ended) = read_all("users.parquet", b"{\"id\": \"a\", \"tags\": []}\n");
    assert!(ended.is_err());
}

#[test]
fn a_damaged_file_is_an_error_and_never_more() {
    let whole = many(200);
    // Somewhere in every part of it, the same each time.
    for at in (0..whole.len()).step_by(whole.len() / 300) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        let ended = catch_unwind(|| read_all("users.parquet", &damaged));
        let (found, _) = ended.unwrap_or_else(|_| panic!("byte {at} of {}: it panics", whole.len()));
        assert!(found.len() <= 200);
    }
}
