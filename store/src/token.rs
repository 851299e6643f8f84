//! Tokens of the control plane: random, stored as their hash only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::TryRngCore;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::authenticate::{COLUMNS, FROM, identity};
use crate::error::StoreError;
use crate::noun::proof::digest;
use crate::open::Store;
use crate::sql::{clean, micros};
use crate::vault::VaultError;
use crate::who::Identity;

/// A token as it is given out, once. Has no `Debug`.
pub struct Token {
    /// The text to send as `Authorization: Bearer`.
    pub text: Zeroizing<String>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Gives out a token: 32 random bytes, of which only the hash is kept. Those that have run out
    /// are cleared away on the occasion.
    pub async fn create_token(
        &self,
        identity: &Identity,
        ip: &str,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<Token, StoreError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        OsRng
            .try_fill_bytes(bytes.as_mut())
            .map_err(|_| StoreError::Vault(VaultError::Seal))?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()));
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM token WHERE expires_at <= $1")
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO token (hash, noun_id, ip, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(digest(&text))
            .bind(identity.id.to_string())
            .bind(clean(ip).into_owned())
            .bind(micros(now))
            .bind(micros(expires_at))
            .execute(&mut *tx)
            .await?;
        self.commit(tx, &[]).await?;
        Ok(Token { text, expires_at })
    }

    /// Whose token it is; `None` if it is unknown, revoked or has run out. Locking a user or
    /// changing her password revokes hers.
    pub async fn token_identity(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Identity>, StoreError> {
        let sql = format!(
            "SELECT t.expires_at AS expires_at, {COLUMNS} FROM {FROM} JOIN token t ON t.noun_id = n.id
             WHERE t.hash = $1 AND t.expires_at > $2"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(digest(token))
            .bind(micros(now))
            .fetch_optional(&mut *self.ask().await?)
            .await?;
        row.as_ref().map(identity).transpose()
    }

    /// Makes a token worthless from now on; an unknown one is no error.
    pub async fn revoke_token(&self, token: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM token WHERE hash = $1 OR expires_at <= $2")
            .bind(digest(token))
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        self.commit(tx, &[]).await
    }
}
