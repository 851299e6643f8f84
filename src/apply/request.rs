//! A declaration on its way to a server: the domain never writes a secret out, so that the ones to
//! be sent are put in here, and only here.

use sallyport_domain::declared::{AccountSecret, Declaration, SecretSource};
use serde_json::{Map, Value, json};

use crate::failure::{Failure, OrFail as _};

/// The body of `POST /apply`, with every secret by value.
pub(super) fn body(declaration: &Declaration) -> Result<Value, Failure> {
    let mut body = serde_json::to_value(declaration).or_fail("writing the declaration")?;
    let users = declaration
        .users
        .iter()
        .map(|user| ("password", secret(&user.password)));
    insert(&mut body, "users", users);
    let keys = declaration
        .applications
        .iter()
        .map(|application| ("api_key", secret(&application.api_key)));
    insert(&mut body, "applications", keys);
    let secrets = declaration
        .accounts
        .iter()
        .map(|account| ("secret", account.secret.as_ref().map(account_secret)));
    insert(&mut body, "accounts", secrets);
    Ok(body)
}

fn insert(
    body: &mut Value,
    section: &str,
    secrets: impl Iterator<Item = (&'static str, Option<Value>)>,
) {
    let Some(items) = body.get_mut(section).and_then(Value::as_array_mut) else {
        return;
    };
    for (item, (name, secret)) in items.iter_mut().zip(secrets) {
        if let (Some(item), Some(secret)) = (item.as_object_mut(), secret) {
            item.insert(name.to_owned(), secret);
        }
    }
}

fn secret(source: &Option<SecretSource>) -> Option<Value> {
    let value = source.as_ref()?.value.as_ref()?;
    Some(json!({ "value": value }))
}

fn account_secret(account: &AccountSecret) -> Value {
    let mut parts = Map::new();
    for (name, source) in [
        ("password", &account.password),
        ("private_key", &account.private_key),
    ] {
        if let Some(value) = secret(source) {
            parts.insert(name.to_owned(), value);
        }
    }
    Value::Object(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_what_was_declared() {
        let declaration: Declaration = serde_json::from_value(json!({
            "users": [{"name": "alice"}, {"name": "bob", "password": {"value": "b"}}],
            "applications": [{"name": "robot", "api_key": {"value": "k"}}],
            "accounts": [
                {"name": "deploy", "host": "web", "secret": {"password": {"value": "d"}}},
                {"name": "root", "host": "web", "secret": {"private_key": {"value": "p"}}},
                {"name": "own", "host": "web", "kind": "requester"},
            ],
        }))
        .unwrap();
        let arrived: Declaration = serde_json::from_value(body(&declaration).unwrap()).unwrap();
        assert_eq!(arrived.users, declaration.users);
        assert_eq!(arrived.applications, declaration.applications);
        assert_eq!(arrived.accounts, declaration.accounts);
    }
}
