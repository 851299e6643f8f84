-- Keys of RDP hosts pinned by first use: SHA-256 of the certificate's SubjectPublicKeyInfo, in hexadecimal. One slot, so that of
-- two first uses one wins.
CREATE TABLE rdp_key (
    host_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    slot BIGINT NOT NULL,
    key TEXT NOT NULL,
    pinned_at BIGINT NOT NULL,
    PRIMARY KEY (host_id, slot)
);

-- Passwords made for one user to log in with, for one use or a short time. Sealed: the NT hash, with which NTLM checks
-- them, is as good as the password. `host` and `activity` are names, NULL for any.
CREATE TABLE connection_password (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES noun (id) ON DELETE CASCADE,
    host TEXT,
    activity TEXT,
    reusable BIGINT NOT NULL CHECK (reusable IN (0, 1)),
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX connection_password_user ON connection_password (user_id);
CREATE INDEX connection_password_expires ON connection_password (expires_at);
