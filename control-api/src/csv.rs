//! Tables as RFC 4180, safe to open in a spreadsheet.
//!
//! A text cell that a spreadsheet would take for a formula gets a leading apostrophe: what users type
//! (notes, names, messages) must not run on the auditor's machine.

use serde_json::Value;

/// First characters that make a spreadsheet compute.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The content type of what [`lines`] makes.
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// The columns to show: those asked for in their order, or all.
///
/// # Errors
/// Names the columns that do not exist.
pub fn choose(
    all: &'static [&'static str],
    asked: Option<&str>,
) -> Result<Vec<&'static str>, String> {
    let Some(asked) = asked else {
        return Ok(all.to_vec());
    };
    let names: Vec<&str> = asked
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() {
        return Err(format!("name at least one column of: {}", all.join(", ")));
    }
    let find = |name: &str| {
        all.iter()
            .copied()
            .find(|column| *column == name)
            .ok_or_else(|| format!("there is no column `{name}`; there are: {}", all.join(", ")))
    };
    names.into_iter().map(find).collect()
}

/// The header row.
pub fn header(columns: &[&str]) -> Result<Vec<u8>, csv::Error> {
    lines(std::iter::once(
        columns.iter().map(|name| (*name).to_owned()),
    ))
}

/// One line for each row: the fields of a JSON object named by `columns`; a missing one is empty.
pub fn rows(columns: &[&str], rows: &[Value]) -> Result<Vec<u8>, csv::Error> {
    lines(
        rows.iter()
            .map(|row| columns.iter().map(|column| cell(row.get(column)))),
    )
}

fn lines<R: IntoIterator<Item = String>>(
    lines: impl Iterator<Item = R>,
) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for line in lines {
        writer.write_record(line)?;
    }
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => harmless(text),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(nested @ (Value::Array(_) | Value::Object(_))) => nested.to_string(),
    }
}

fn harmless(text: &str) -> String {
    if text.starts_with(FORMULA) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const COLUMNS: &[&str] = &["id", "notes", "port"];

    fn text(bytes: Result<Vec<u8>, csv::Error>) -> String {
        String::from_utf8(bytes.unwrap()).unwrap()
    }

    #[test]
    fn cells_are_quoted_and_neutralised() {
        for (given, cell) in [
            (json!("plain"), "plain"),
            (json!("a,b"), "\"a,b\""),
            (json!("say \"hi\""), "\"say \"\"hi\"\"\""),
            (json!("two\r\nlines"), "\"two\r\nlines\""),
            (json!("Zoë 🚢"), "Zoë 🚢"),
            (json!("=cmd|'/C calc'!A0"), "'=cmd|'/C calc'!A0"),
            (json!("+49 30 1"), "'+49 30 1"),
            (json!("-2+3"), "'-2+3"),
            (json!("@SUM(A1)"), "'@SUM(A1)"),
            (json!("\t=1"), "'\t=1"),
            (json!("\r=1"), "\"'\r=1\""),
            (json!("=a,\"b\""), "\"'=a,\"\"b\"\"\""),
            (json!(null), ""),
            (json!(-5), "-5"),
            (json!(true), "true"),
            (json!({"a": 1}), "\"{\"\"a\"\":1}\""),
        ] {
            let line = text(rows(
                COLUMNS,
                &[json!({"id": "1", "notes": given, "port": 22})],
            ));
            assert_eq!(line, format!("1,{cell},22\r\n"));
        }
    }

    #[test]
    fn columns_come_in_the_order_asked_for() {
        let chosen = choose(COLUMNS, Some("port, id")).unwrap();
        assert_eq!(text(header(&chosen)), "port,id\r\n");
        assert_eq!(
            text(rows(&chosen, &[json!({"id": "x", "port": 22})])),
            "22,x\r\n"
        );
        assert_eq!(choose(COLUMNS, None).unwrap(), COLUMNS);
        let problem = choose(COLUMNS, Some("id,colour")).unwrap_err();
        assert_eq!(
            problem,
            "there is no column `colour`; there are: id, notes, port"
        );
        assert!(choose(COLUMNS, Some(" , ")).is_err());
    }

    #[test]
    fn a_row_of_one_empty_cell_is_still_a_row() {
        assert_eq!(text(rows(&["notes"], &[json!({})])), "\"\"\r\n");
    }
}
