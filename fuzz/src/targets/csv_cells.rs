//! Rows that people export: what they typed comes back as it was, and computes nothing.

use serde_json::{Value, json};

use crate::input::Input;

#[expect(dead_code, reason = "only the rows are looked at")]
#[path = "../../../control-api/src/csv.rs"]
mod product;

const COLUMNS: [&str; 3] = ["user", "notes", "port"];

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut rows = Vec::new();
    while !input.is_empty() {
        let mut cell = || match input.byte() % 4 {
            0 => Value::Null,
            1 => json!(input.number()),
            _ => json!(String::from_utf8_lossy(input.chunk())),
        };
        rows.push(json!({ "user": cell(), "notes": cell(), "port": cell() }));
    }
    let bytes = product::rows(&COLUMNS, &rows).expect("rows can be written");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(bytes.as_slice());
    let read: Vec<csv::StringRecord> = reader
        .records()
        .map(|record| record.expect("what was written can be read"))
        .collect();
    assert_eq!(read.len(), rows.len());
    for (record, row) in read.iter().zip(&rows) {
        for (cell, column) in record.iter().zip(COLUMNS) {
            let typed = match &row[column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                number => number.to_string(),
            };
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "{cell:?}"
            );
            assert!(
                cell == typed || cell == format!("'{typed}"),
                "{typed:?} became {cell:?}"
            );
        }
    }
}
