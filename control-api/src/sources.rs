//! Over the API a declaration carries its values: what names a file or an environment variable would mean the
//! server's own, and an administrator must not be able to read those.

use sallyport_domain::declared::{Declaration, SecretSource, TextSource};

use crate::problem::Problem;

/// Refuses a declaration that names files or environment variables.
pub fn resolved(declaration: &Declaration) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    for user in &declaration.users {
        secret(
            &mut wrong,
            format!("user `{}`: password", user.name),
            user.password.as_ref(),
        );
        for key in &user.ssh_keys {
            match key {
                TextSource::Text(_) => {}
                TextSource::File { .. } => {
                    wrong.push(format!(
                        "user `{}`: ssh_keys: send the text of the key, not `from_file`",
                        user.name
                    ));
                }
            }
        }
    }
    for application in &declaration.applications {
        secret(
            &mut wrong,
            format!("application `{}`: api_key", application.name),
            application.api_key.as_ref(),
        );
    }
    for account in &declaration.accounts {
        let parts = account.secret.iter().flat_map(|secret| {
            [
                ("password", secret.password.as_ref()),
                ("private_key", secret.private_key.as_ref()),
            ]
        });
        for (field, source) in parts {
            secret(
                &mut wrong,
                format!("account `{}`: secret.{field}", account.full_name()),
                source,
            );
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let told = "files and environment variables are not read over the API: resolve them where the document is";
    Err(Problem::unprocessable(told).with_errors(wrong))
}

fn secret(wrong: &mut Vec<String>, what: String, source: Option<&SecretSource>) {
    let Some(source) = source else { return };
    if source.from_env.is_some() || source.from_file.is_some() || source.value.is_none() {
        wrong.push(format!(
            "{what}: send {{\"value\": …}}, not `from_env` or `from_file`"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_that_could_read_the_server_is_refused() {
        let declaration: Declaration = serde_json::from_value(serde_json::json!({
            "users": [{"name": "alice", "password": {"from_env": "HOME"}, "ssh_keys": [{"from_file": "/etc/passwd"}, "ssh-ed25519 A"]}],
            "applications": [{"name": "robot", "api_key": {"from_file": "/etc/shadow"}}],
            "accounts": [
                {"name": "root", "host": "h", "secret": {"password": {"value": "x", "from_env": "HOME"}, "private_key": {}}},
                {"name": "ok", "host": "h", "secret": {"password": {"value": "x"}}},
            ],
        }))
        .unwrap();
        let problem = serde_json::to_value(resolved(&declaration).unwrap_err()).unwrap();
        let errors: Vec<String> = serde_json::from_value(problem["errors"].clone()).unwrap();
        let about: Vec<&str> = errors
            .iter()
            .map(|error| error.rsplit_once(": send").unwrap().0)
            .collect();
        assert_eq!(
            about,
            [
                "user `alice`: password",
                "user `alice`: ssh_keys",
                "application `robot`: api_key",
                "account `root@h`: secret.password",
                "account `root@h`: secret.private_key",
            ]
        );
        assert!(resolved(&Declaration::default()).is_ok());
    }
}
