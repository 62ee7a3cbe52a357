//! The figures of one run of `cargo xtask bench tags`: printed, and added to the file that several programs share.

use std::path::Path;

/// One of them.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Figure {
    what: String,
    value: f64,
    unit: String,
}

/// Where `cargo xtask bench` says that figures go; it empties the file before the first program.
const FILE: &str = "TAGBID_BENCH_FILE";

/// Prints a figure, and adds it to the file as `{"what", "value", "unit"}`. In its place if it is there already.
pub(crate) fn add(what: &str, value: f64, unit: &str) {
    let value = (value * 100.0).round() / 100.0;
    println!("{what:<64} {value:>14} {unit}");
    let Some(file) = std::env::var_os(FILE) else { return };
    let file = Path::new(&file);
    let known = std::fs::read(file).unwrap_or_else(|_| b"[]".to_vec());
    let mut all: Vec<Figure> = serde_json::from_slice(&known).unwrap();
    all.retain(|one| one.what != what);
    all.push(Figure { what: what.into(), value, unit: unit.into() });
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, serde_json::to_vec_pretty(&all).unwrap()).unwrap();
}
