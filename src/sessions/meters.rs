//! What was measured of a session, in words.

use serde_json::{Map, Value};

/// Writes a number with its unit.
type Write = fn(f64) -> String;

/// What each of them is called, and how its numbers are written.
const METERS: [(&str, Write); 4] = [
    ("bandwidth", bytes),
    ("updates", updates),
    ("client_round_trip", millis),
    ("target_round_trip", millis),
];

/// The session with each meter as a text of its own.
pub fn in_words(session: &Value) -> Value {
    let mut session = session.clone();
    if let Some(fields) = session.as_object_mut()
        && let Some(Value::Object(meters)) = fields.remove("meters")
    {
        let spoken = METERS
            .into_iter()
            .filter_map(|(name, write)| Some((name.to_owned(), spread(&meters, name, write)?)));
        fields.extend(spoken);
    }
    session
}

fn spread(meters: &Map<String, Value>, name: &str, write: Write) -> Option<Value> {
    let spread = meters.get(name)?;
    let number = |which| Some(write(spread.get(which)?.as_f64()?));
    let (least, average, most) = (number("min")?, number("avg")?, number("max")?);
    Some(format!("{average} ({least} to {most})").into())
}

fn bytes(rate: f64) -> String {
    let larger = [("GB/s", 1e9), ("MB/s", 1e6), ("kB/s", 1e3)];
    match larger.into_iter().find(|(_, size)| rate >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", rate / size),
        None => format!("{rate:.0} B/s"),
    }
}

fn updates(rate: f64) -> String {
    format!("{rate:.1}/s")
}

fn millis(time: f64) -> String {
    format!("{time:.1} ms")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn meters_can_be_read() {
        let spread = |min, avg, max| json!({ "min": min, "avg": avg, "max": max, "seconds": 9.0 });
        let session = json!({ "id": "x", "meters": {
            "bandwidth": spread(0.0, 1234.5, 52_000_000.0),
            "updates": spread(0.0, 2.25, 30.0),
            "client_round_trip": null,
            "target_round_trip": spread(0.04, 101.3, 140.0),
        }});
        assert_eq!(
            in_words(&session),
            json!({
                "id": "x",
                "bandwidth": "1.2 kB/s (0 B/s to 52.0 MB/s)",
                "updates": "2.2/s (0.0/s to 30.0/s)",
                "target_round_trip": "101.3 ms (0.0 ms to 140.0 ms)",
            })
        );
        let unmeasured = json!({ "id": "x", "meters": null });
        assert_eq!(in_words(&unmeasured), json!({ "id": "x" }));
    }
}
