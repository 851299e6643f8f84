//! The first administrator, without whom nobody could declare one.

use sallyport_store::Store;
use zeroize::Zeroizing;

use crate::apply::now;
use crate::failure::{Failure, OrFail as _};
use crate::output;

/// What the first administrator is called.
const NAME: &str = "admin";

/// Makes the first administrator if there is none at all. A password of our own is printed once,
/// to the standard output and not to the log, and is good for one log-in.
pub async fn ensure(store: &Store, password: Option<&Zeroizing<String>>) -> Result<(), Failure> {
    let what = "making the first administrator";
    if let Some(password) = password {
        store
            .first_admin(NAME, password, false, now())
            .await
            .or_fail(what)?;
        return Ok(());
    }
    let password = one_time_password();
    if store
        .first_admin(NAME, &password, true, now())
        .await
        .or_fail(what)?
    {
        let line = Zeroizing::new(format!(
            "The first administrator is `{NAME}`. One-time password, shown only now: {}\n",
            password.as_str()
        ));
        output::write(line.as_bytes())?;
    }
    Ok(())
}

/// Twenty characters that are not mistaken for each other, 100 random bits.
fn one_time_password() -> Zeroizing<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut password = Zeroizing::new(String::new());
    for group in 0..5 {
        if group > 0 {
            password.push('-');
        }
        // The first bits of a random UUID are all random; its version and variant come later.
        let (bits, ..) = uuid::Uuid::new_v4().as_fields();
        for letter in 0..4 {
            let index = usize::try_from(bits >> (letter * 5) & 31).unwrap_or(0);
            password.push(char::from(LETTERS.get(index).copied().unwrap_or(b'a')));
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (one, other) = (one_time_password(), one_time_password());
        assert_eq!(one.len(), 24);
        assert_ne!(*one, *other);
    }
}
