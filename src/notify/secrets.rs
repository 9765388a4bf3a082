//! The values of the Secrets that a channel names, for the length of an attempt.
//!
//! This crate never fetches a Secret; whoever calls [`crate::send`] reads those that
//! `Channel::secrets` lists and puts in what it found.

use std::collections::BTreeMap;

use domain::secret::SecretRef;
use secrecy::{ExposeSecret, SecretString};

use crate::outcome::NotAccepted;

/// Values by reference. Its `Debug` shows no value.
#[derive(Debug, Clone, Default)]
pub struct Secrets(BTreeMap<SecretRef, SecretString>);

impl Secrets {
    /// Adds or replaces a value.
    pub fn insert(&mut self, reference: SecretRef, value: SecretString) {
        self.0.insert(reference, value);
    }

    /// The value without the newline that files and shells leave at its end, or why the attempt stops here:
    /// a Secret may yet be created, so an absent or empty one is tried again.
    pub(crate) fn value(&self, reference: &SecretRef, what: &str) -> Result<&str, NotAccepted> {
        let Some(value) = self.0.get(reference) else {
            return Err(NotAccepted::retry(format!(
                "{what} is missing: {reference}, was not found or may not be read; create it in the policy's \
                 namespace with the label firstline.dev/use=notify"
            )));
        };
        match value.expose_secret().trim_end_matches(['\r', '\n']) {
            "" => Err(NotAccepted::retry(format!("{what} is missing: {reference}, is empty; put the value in"))),
            value => Ok(value),
        }
    }
}

impl FromIterator<(SecretRef, SecretString)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (SecretRef, SecretString)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> SecretRef {
        SecretRef { name: "smtp".into(), key: "password".into() }
    }

    #[test]
    fn an_absent_secret_says_which_and_what_to_do() {
        let error = Secrets::default().value(&reference(), "the SMTP password").unwrap_err();
        assert_eq!(
            error,
            NotAccepted::retry(
                "the SMTP password is missing: secret smtp, key password, was not found or may not be read; create it \
                 in the policy's namespace with the label firstline.dev/use=notify"
            )
        );
    }

    #[test]
    fn the_newline_that_a_file_leaves_is_not_part_of_the_value() {
        let secrets = Secrets::from_iter([(reference(), "s3cret\r\n".into())]);
        assert_eq!(secrets.value(&reference(), "the SMTP password"), Ok("s3cret"));
    }

    #[test]
    fn a_printed_set_of_secrets_shows_no_value() {
        let secrets = Secrets::from_iter([(reference(), "s3cret".into())]);
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }
}
