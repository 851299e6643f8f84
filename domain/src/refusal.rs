//! Why somebody is refused, in words for the person refused.
//!
//! `Display` is what the user reads at her prompt; what she may not know stays out of it. The log
//! and the access log get [`Refusal::code`] and the `Debug` form.

use crate::right::Right;

/// Why a request, a right or a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a connect string.
    #[error(
        "`{given}` is not a connect string ({problem}); write alice+host, or alice+activity+host+policy+notes"
    )]
    BadConnectString {
        /// What came.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a user name for a connection inside another one.
    #[error(
        "`{given}` does not say as whom ({problem}); write account@host, or account+activity+policy+notes@host"
    )]
    BadInnerName {
        /// What came.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No host was named where one is needed.
    #[error(
        "name a host: ssh 'user+host@gateway'. `ssh user@gateway ls` lists those you may reach, `ssh user@gateway` is a menu of them"
    )]
    NoHostNamed,
    /// No access policy lets this user do anything anywhere.
    #[error("no access policy lets you reach any host; ask an administrator for access")]
    NothingToReach,
    /// The user is locked.
    #[error("your account is locked; ask an administrator to unlock it")]
    UserLocked,
    /// An administrator barred the user from this host.
    #[error("an administrator has barred you from new activities on {host}")]
    HostBarred {
        /// Which host.
        host: String,
    },
    /// No such host, or none that this user may know of: the same words for both.
    #[error(
        "no access policy lets you reach {host}; check the name, or ask an administrator for access"
    )]
    NoPolicy {
        /// What was asked for.
        host: String,
    },
    /// The activity is not among those allowed there.
    #[error("you may not do {activity} on {host}; you may: {allowed}")]
    NoSuchActivity {
        /// What was asked for.
        activity: String,
        /// Where.
        host: String,
        /// What would be allowed, comma-separated.
        allowed: String,
    },
    /// The account is not among those she may use there.
    #[error("you may not log in as {account} on {host}; you may log in as: {allowed}")]
    NoSuchAccount {
        /// What was asked for.
        account: String,
        /// Where.
        host: String,
        /// What would be allowed, comma-separated.
        allowed: String,
    },
    /// An address that several hosts have.
    #[error("several hosts are at {address}; name one of them: {hosts}")]
    SeveralHosts {
        /// What was asked for.
        address: String,
        /// Their names, comma-separated.
        hosts: String,
    },
    /// More connections inside one than are allowed.
    #[error("too many connections at once through this one; open another one to the gateway")]
    TooManyJumps,
    /// The policy named is not among those that lead there.
    #[error("no access policy {policy} lets you do this on {host}; you may name: {allowed}")]
    NoSuchPolicy {
        /// What was named.
        policy: String,
        /// Where.
        host: String,
        /// What would do, comma-separated.
        allowed: String,
    },
    /// Several ways match and the request does not say which.
    #[error("several ways lead to {host}; choose one:\n{choices}")]
    Ambiguous {
        /// Where.
        host: String,
        /// One line each: a connect string that is not ambiguous.
        choices: String,
    },
    /// The profile wants notes.
    #[error("this session needs a note saying why: connect as {example}")]
    NotesRequired {
        /// A connect string with a place for them.
        example: String,
    },
    /// The profile wants a ticket number.
    #[error("this session needs a ticket number: ask for it through the API or the console first")]
    TicketRequired,
    /// The host does not speak this protocol.
    #[error("{host} has no {protocol} endpoint declared")]
    ProtocolNotServed {
        /// Which host.
        host: String,
        /// Which protocol.
        protocol: &'static str,
    },
    /// The activity's account does not exist on the host.
    #[error("the account {account} is not declared on {host}; tell an administrator")]
    AccountMissing {
        /// Which account.
        account: String,
        /// Where.
        host: String,
    },
    /// The account has no secret in the vault.
    #[error("there is no credential for {account} on {host}; tell an administrator")]
    SecretMissing {
        /// Which account.
        account: String,
        /// Where.
        host: String,
    },
    /// The policy names something that is gone.
    #[error("the access policy {policy} is incomplete; tell an administrator")]
    PolicyIncomplete {
        /// Which policy.
        policy: String,
    },
    /// The session exists but cannot be entered now.
    #[error("the session is {status}")]
    NotEnterable {
        /// What it is.
        status: String,
    },
    /// The recording cannot be written.
    #[error("the session cannot be recorded, so it may not start; tell an administrator")]
    RecordingUnavailable,
    /// The target could not be reached.
    #[error("{host} could not be reached: {error}")]
    TargetUnreachable {
        /// Which host.
        host: String,
        /// What the network said.
        error: String,
    },
    /// The target answered nothing that is SSH.
    #[error("{host} does not answer as an SSH server: {error}")]
    TargetGarbled {
        /// Which host.
        host: String,
        /// What was wrong.
        error: String,
    },
    /// The target speaks SSH, but nothing that we may speak with it.
    #[error("{host} offers no {what} that is safe, only {offered}; {advice}")]
    TargetAlgorithms {
        /// Which host.
        host: String,
        /// Of which kind: key exchange, host key, cipher, …
        what: &'static str,
        /// What it offered, comma-separated.
        offered: String,
        /// What an administrator can do.
        advice: String,
    },
    /// The target showed another key than the pinned one.
    #[error(
        "the host key of {host} has changed; the connection is blocked. If the change is right, an administrator must pin the new key"
    )]
    HostKeyMismatch {
        /// Which host.
        host: String,
    },
    /// The target answered nothing that is RDP, or not as it has to.
    #[error("{host} does not answer as an RDP server: {error}")]
    NotRdp {
        /// Which host.
        host: String,
        /// What was wrong.
        error: String,
    },
    /// The target showed another certificate than the pinned one.
    #[error(
        "the certificate of {host} has changed; the connection is blocked. If the change is right, an administrator must pin the new one"
    )]
    CertificateMismatch {
        /// Which host.
        host: String,
    },
    /// The target refused the vaulted credential.
    #[error("{host} refused the stored credential of {account}; tell an administrator")]
    TargetRefusedCredential {
        /// Which host.
        host: String,
        /// Which account.
        account: String,
    },
    /// Kerberos gives the account no ticket for the host.
    #[error("Kerberos gives {account} no ticket for {host}: {error}; tell an administrator")]
    NoTicket {
        /// Which host.
        host: String,
        /// Which account.
        account: String,
        /// Why.
        error: String,
    },
    /// The target shows its own log-in screen, or never says that it let the account in.
    #[error(
        "{host} did not let {account} in with the stored credential, as far as can be seen from outside; tell an administrator"
    )]
    TargetNotEntered {
        /// Which host.
        host: String,
        /// Which account.
        account: String,
    },
    /// The activity lacks the right.
    #[error("the activity {activity} does not allow {right}")]
    RightMissing {
        /// Which right.
        right: Right,
        /// Which activity.
        activity: String,
    },
    /// The activity lets forwards lead elsewhere only.
    #[error("the activity {activity} does not allow a forward to {to}; it allows: {allowed}")]
    DestinationNotAllowed {
        /// Where to.
        to: String,
        /// Which activity.
        activity: String,
        /// What it allows, comma-separated.
        allowed: String,
    },
    /// The activity lets the target listen elsewhere only.
    #[error("the activity {activity} does not let the target listen at {at}; it allows: {allowed}")]
    ListenNotAllowed {
        /// Where.
        at: String,
        /// Which activity.
        activity: String,
        /// What it allows, comma-separated.
        allowed: String,
    },
    /// More than a connection may have at once.
    #[error("there are too many {what} on this connection; close some first")]
    TooMany {
        /// What.
        what: &'static str,
    },
    /// The target opens what nobody asked it for.
    #[error("nobody on this connection asked the target for {what}")]
    NotAskedFor {
        /// What.
        what: String,
    },
    /// This way of using SSH is not offered.
    #[error("{what} is not allowed through this gateway")]
    NotOffered {
        /// What.
        what: &'static str,
    },
    /// The gateway cannot decide right now.
    #[error("the gateway cannot authorise you right now; try again, or tell an administrator")]
    StoreUnavailable,
    /// The gateway is going down.
    #[error("the gateway is shutting down; try again in a minute")]
    Draining,
}

impl Refusal {
    /// A stable code for logs, filters and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadConnectString { .. } => "bad_connect_string",
            Self::BadInnerName { .. } => "bad_inner_name",
            Self::NoHostNamed => "no_host_named",
            Self::NothingToReach => "nothing_to_reach",
            Self::UserLocked => "user_locked",
            Self::HostBarred { .. } => "host_barred",
            Self::NoPolicy { .. } => "no_policy",
            Self::NoSuchActivity { .. } => "no_such_activity",
            Self::NoSuchAccount { .. } => "no_such_account",
            Self::SeveralHosts { .. } => "several_hosts",
            Self::TooManyJumps => "too_many_jumps",
            Self::NoSuchPolicy { .. } => "no_such_policy",
            Self::Ambiguous { .. } => "ambiguous",
            Self::NotesRequired { .. } => "notes_required",
            Self::TicketRequired => "ticket_required",
            Self::ProtocolNotServed { .. } => "protocol_not_served",
            Self::AccountMissing { .. } => "account_missing",
            Self::SecretMissing { .. } => "secret_missing",
            Self::PolicyIncomplete { .. } => "policy_incomplete",
            Self::NotEnterable { .. } => "not_enterable",
            Self::RecordingUnavailable => "recording_unavailable",
            Self::TargetUnreachable { .. } => "target_unreachable",
            Self::TargetGarbled { .. } => "target_garbled",
            Self::TargetAlgorithms { .. } => "target_algorithms",
            Self::HostKeyMismatch { .. } => "host_key_mismatch",
            Self::NotRdp { .. } => "not_rdp",
            Self::CertificateMismatch { .. } => "certificate_mismatch",
            Self::TargetRefusedCredential { .. } => "target_refused_credential",
            Self::NoTicket { .. } => "no_ticket",
            Self::TargetNotEntered { .. } => "target_not_entered",
            Self::RightMissing { .. } => "right_missing",
            Self::DestinationNotAllowed { .. } => "destination_not_allowed",
            Self::ListenNotAllowed { .. } => "listen_not_allowed",
            Self::TooMany { .. } => "too_many",
            Self::NotAskedFor { .. } => "not_asked_for",
            Self::NotOffered { .. } => "not_offered",
            Self::StoreUnavailable => "store_unavailable",
            Self::Draining => "draining",
        }
    }
}
