-- Who and what is declared. `key` is the name as it must be unique: lower case for hosts, which are found in any case.
CREATE TABLE noun (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    -- A host's friendly name in lower case.
    alias TEXT,
    scope TEXT NOT NULL,
    doc TEXT NOT NULL,
    search TEXT NOT NULL,
    locked BIGINT NOT NULL DEFAULT 0 CHECK (locked IN (0, 1)),
    lock_reason TEXT NOT NULL DEFAULT '',
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT noun_name UNIQUE (kind, key)
);
CREATE INDEX noun_alias ON noun (kind, alias);

-- Which noun names which other one: what is named cannot be removed.
CREATE TABLE noun_link (
    noun_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    target_id TEXT NOT NULL CONSTRAINT noun_in_use REFERENCES noun (id),
    PRIMARY KEY (noun_id, field, target_id)
);
CREATE INDEX noun_link_target ON noun_link (target_id);

-- How users and applications prove who they are. Hashes only.
CREATE TABLE credential (
    noun_id TEXT NOT NULL PRIMARY KEY REFERENCES noun (id) ON DELETE CASCADE,
    password_hash TEXT,
    must_change BIGINT NOT NULL DEFAULT 0 CHECK (must_change IN (0, 1)),
    api_key_hash TEXT,
    changed_at BIGINT NOT NULL,
    CONSTRAINT credential_api_key UNIQUE (api_key_hash)
);

-- Tokens of the control plane, by the SHA-256 of their text.
CREATE TABLE token (
    hash TEXT NOT NULL PRIMARY KEY,
    noun_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    ip TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX token_noun ON token (noun_id);

-- What opens accounts, sealed: nonce and ciphertext, bound to owner, field and version.
CREATE TABLE secret (
    owner_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    version BIGINT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (owner_id, field)
);

-- Host keys pinned by first use. One slot, so that of two first uses one wins.
CREATE TABLE host_key (
    host_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    slot BIGINT NOT NULL,
    key TEXT NOT NULL,
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (host_id, slot)
);

-- Users barred from new activities on a host.
CREATE TABLE host_bar (
    user_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    host_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    barred_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, host_id)
);

-- Running gateways.
CREATE TABLE node (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Sessions keep the names and terms of their request: nouns may change or go, what was granted stays on record.
CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    origin TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    user_name TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    identity_provider TEXT NOT NULL,
    scope TEXT NOT NULL,
    login_account TEXT NOT NULL,
    account_id TEXT NOT NULL,
    host TEXT NOT NULL,
    host_id TEXT NOT NULL,
    target_address TEXT NOT NULL,
    target_port BIGINT NOT NULL,
    source_ip TEXT NOT NULL,
    client TEXT NOT NULL DEFAULT '',
    activity TEXT NOT NULL,
    access_policy TEXT NOT NULL,
    connection_profile TEXT NOT NULL,
    recording_mode TEXT NOT NULL,
    notes TEXT NOT NULL,
    ticket TEXT NOT NULL,
    terms TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    provisioned_at BIGINT,
    connected_at BIGINT,
    scheduled_end BIGINT,
    disconnected_at BIGINT,
    ended_at BIGINT,
    last_access_at BIGINT,
    close_code TEXT,
    close_reason TEXT,
    close_detail TEXT,
    deadline_reason TEXT,
    lock_title TEXT,
    lock_message TEXT,
    extensions_used BIGINT NOT NULL DEFAULT 0,
    node_id TEXT,
    -- Is it over? Kept as a column so that the few that are not are found at once.
    final BIGINT NOT NULL DEFAULT 0 CHECK (final IN (0, 1)),
    events BIGINT NOT NULL DEFAULT 0,
    -- Everything shown that never changes, and everything shown that does, in lower case.
    search TEXT NOT NULL,
    search_live TEXT NOT NULL,
    machine TEXT NOT NULL
);
CREATE INDEX session_requested ON session (requested_at);
CREATE INDEX session_live ON session (final, node_id);
CREATE INDEX session_by_user ON session (user_name, requested_at);
CREATE INDEX session_host ON session (host_id, requested_at);
CREATE INDEX session_account ON session (account_id);

CREATE TABLE event (
    session_id TEXT NOT NULL CONSTRAINT event_session REFERENCES session (id),
    line BIGINT NOT NULL,
    at BIGINT NOT NULL,
    level TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (session_id, line)
);

CREATE TABLE connection (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL CONSTRAINT connection_session REFERENCES session (id),
    source_ip TEXT NOT NULL,
    client TEXT NOT NULL,
    connected_at BIGINT NOT NULL,
    closed_at BIGINT,
    cause TEXT,
    bytes_in BIGINT NOT NULL DEFAULT 0,
    bytes_out BIGINT NOT NULL DEFAULT 0,
    tape TEXT NOT NULL
);
CREATE INDEX connection_session_id ON connection (session_id, connected_at);

CREATE TABLE recording (
    connection_id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL CONSTRAINT recording_session REFERENCES session (id),
    path TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes BIGINT,
    root TEXT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX recording_session_id ON recording (session_id);
CREATE INDEX recording_state ON recording (state);
CREATE INDEX recording_started ON recording (started_at);

-- Orders to live sessions; without an outcome until the session has answered.
CREATE TABLE command (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL CONSTRAINT command_session REFERENCES session (id),
    verb TEXT NOT NULL,
    command TEXT NOT NULL,
    actor TEXT NOT NULL,
    ordered_at BIGINT NOT NULL,
    outcome TEXT,
    effective_at BIGINT
);
CREATE INDEX command_session_id ON command (session_id);
CREATE INDEX command_open ON command (ordered_at) WHERE outcome IS NULL;

-- The access log: who got in, and who did not.
CREATE TABLE login (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    user_name TEXT NOT NULL,
    scope TEXT NOT NULL,
    source_ip TEXT NOT NULL,
    method TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    session_id TEXT,
    search TEXT NOT NULL
);
CREATE INDEX login_at ON login (at);
CREATE INDEX login_user ON login (user_name, at);

-- The audit trail: each row's hash covers its content and the hash of the row before.
CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    user_name TEXT NOT NULL,
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    email TEXT NOT NULL,
    identity_provider TEXT NOT NULL,
    ip TEXT NOT NULL,
    session_id TEXT NOT NULL,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_name TEXT NOT NULL,
    object_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    search TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_object ON audit (object_id);

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit trail is append-only'; END
$$;
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
