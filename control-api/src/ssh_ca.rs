//! The gateway's SSH certificate authority, for users' clients. Public: only its key is shown.

use axum::Json;
use axum::extract::State;
use sallyport_domain::openssh::{BadPattern, HostPatterns, cert_authority_line, client_config};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::Params;
use crate::problem::Problem;
use crate::state::Api;

/// What a client needs to go through the gateway with `ssh -J`.
#[derive(Serialize, ToSchema)]
pub struct SshCa {
    /// The authority's public key.
    #[schema(example = "ssh-ed25519 AAAA…")]
    public_key: String,
    /// A line for known_hosts.
    known_hosts: String,
    /// Where SSH clients connect.
    ssh_address: String,
    /// Lines for ssh_config.
    openssh_config: String,
}

/// `GET /ssh-ca`; `hosts` narrows both texts to host name patterns.
pub async fn show(
    caller: Caller,
    State(api): State<Api>,
    params: Params,
) -> Result<Json<SshCa>, Problem> {
    let params = params.known(&["hosts"], &[])?;
    let hosts = match params.get("hosts") {
        Some(text) => text
            .parse()
            .map_err(|error: BadPattern| Problem::unprocessable(error.to_string()))?,
        None => HostPatterns::default(),
    };
    Ok(Json(SshCa {
        public_key: api.ssh_ca.clone(),
        known_hosts: cert_authority_line(&api.ssh_ca, &hosts),
        ssh_address: api.ssh_address.clone(),
        openssh_config: client_config(&caller.identity.name, &api.ssh_address, &hosts),
    }))
}
