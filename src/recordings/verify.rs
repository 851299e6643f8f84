//! `sallyport verify`: checks tapes with nothing but the tapes.

use std::path::Path;

use serde_json::{Value, json};

use crate::failure::{Failure, OrFail as _};
use crate::output::{Output, field};

use super::find::tapes;

/// Checks a tape, or every tape below a folder. Fails if one of them is not whole.
pub fn verify(path: &Path, output: Output) -> Result<(), Failure> {
    let metadata = std::fs::metadata(path).or_fail(path.display())?;
    let paths = if metadata.is_dir() {
        tapes(path)?
    } else {
        vec![path.to_owned()]
    };
    if paths.is_empty() {
        return Err(Failure::new(format!(
            "there is no .tape file in {}",
            path.display()
        )));
    }
    let mut reports = Vec::new();
    let mut wrong = Vec::new();
    for path in &paths {
        let report = check(path);
        if let Some(why) = report.get("problem").and_then(Value::as_str) {
            wrong.push(format!("{}: {why}", path.display()));
        }
        reports.push(report);
    }
    let whole = paths.len() - wrong.len();
    let all = json!({ "tapes": reports, "checked": paths.len(), "whole": whole });
    output.show(&all, |all| {
        let lines = all
            .get("tapes")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(line);
        let mut text: Vec<String> = lines.collect();
        if paths.len() > 1 {
            text.push(format!("{whole} of {} tapes are whole", paths.len()));
        }
        text.join("\n")
    })?;
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Failure::all(wrong))
    }
}

fn check(path: &Path) -> Value {
    let report = match sallyport_recorder::verify(path) {
        Ok(report) => report,
        Err(error) => return json!({ "path": path, "whole": false, "problem": error.to_string() }),
    };
    let problem = match (&report.bad, &report.closing) {
        (Some(bad), _) => Some(format!("frame {} at byte {}: {}", bad.frame, bad.offset, bad.why)),
        (None, None) => Some(
            "not finished: it is still being written, or a crash left it behind and no start has finished it yet"
                .to_owned(),
        ),
        (None, Some(_)) => None,
    };
    let whole = report.is_whole();
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("whole".to_owned(), Value::Bool(whole));
        object.insert("problem".to_owned(), problem.into());
    }
    value
}

/// One line for people; the problem itself comes as an error.
pub(super) fn line(report: &Value) -> String {
    let path = field(report, "path");
    if report.get("whole") != Some(&Value::Bool(true)) {
        return format!("BAD  {path}");
    }
    let duration = report
        .get("duration")
        .and_then(Value::as_f64)
        .unwrap_or(0.0);
    let recovered = report
        .get("closing")
        .and_then(|closing| closing.get("recovered"))
        == Some(&Value::Bool(true));
    format!(
        "ok   {path}  {} frames, {} records, {duration:.1} s, root {}{}",
        field(report, "frames"),
        field(report, "records"),
        field(report, "root"),
        if recovered {
            ", finished after a crash"
        } else {
            ""
        }
    )
}
