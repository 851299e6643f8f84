use super::*;

fn document() -> serde_json::Value {
    serde_json::to_value(build()).unwrap()
}

/// Every `$ref` in a document.
fn references<'a>(value: &'a serde_json::Value, found: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(target) => found.push(target),
                    None => references(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100, "{}", found.len());
    for target in found {
        let pointer = target.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{target} leads nowhere"
        );
    }
}

#[test]
fn every_path_of_the_router_is_told() {
    let document = document();
    let router = include_str!("../router.rs");
    let routes = router
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let routes: Vec<&str> = routes.filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() > 25, "{routes:?}");
    for route in routes {
        let told = |prefix: &str| document["paths"].get(format!("{prefix}{route}")).is_some();
        assert!(
            told("") || told("/api/v1"),
            "{route} is not in the document"
        );
    }
    for collection in [
        "scopes",
        "users",
        "groups",
        "applications",
        "hosts",
        "accounts",
        "activities",
    ] {
        assert!(
            document["paths"][format!("/api/v1/{collection}/{{name}}")]["put"].is_object(),
            "{collection}"
        );
    }
}

#[test]
fn secrets_are_write_only() {
    let document = document();
    assert_eq!(
        document["components"]["schemas"]["Secret"]["properties"]["value"]["writeOnly"],
        true
    );
    assert_eq!(document["openapi"], "3.1.0");
}
