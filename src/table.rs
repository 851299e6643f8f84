//! Plain text tables for terminals and pipes.

/// Rows under a headline, columns padded to their widest cell; the last column is not padded.
pub fn table(headline: &[&str], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = headline.iter().map(|cell| width(cell)).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            match widths.get_mut(column) {
                Some(widest) => *widest = (*widest).max(width(cell)),
                None => widths.push(width(cell)),
            }
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut row = String::new();
        for (column, cell) in cells.enumerate() {
            let clean: String = cell.chars().map(printable).collect();
            let pad = widths
                .get(column)
                .map_or(0, |widest| widest.saturating_sub(width(cell)));
            row.push_str(&clean);
            row.push_str(&" ".repeat(pad + 2));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&mut headline.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// Names and notes come from users: a control character in one must not steer the reader's terminal.
pub fn printable(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_escapes_are_defused() {
        let rows = vec![
            vec!["alice".to_owned(), "web-01".to_owned()],
            vec!["b\u{1b}[2J".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            table(&["USER", "HOST"], &rows),
            "USER   HOST\nalice  web-01\nb\u{fffd}[2J  x\n"
        );
    }
}
