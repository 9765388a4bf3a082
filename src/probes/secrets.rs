//! The values of the Secrets that a look reads. They are handed in for each look and not kept.

use std::collections::HashMap;

use domain::{
    probe::{Failure, Phase, Reason},
    secret::SecretRef,
};
use secrecy::{ExposeSecret, SecretString};

/// Secret values by reference.
#[derive(Debug, Clone, Default)]
pub struct Secrets(HashMap<SecretRef, SecretString>);

impl Secrets {
    /// No Secrets.
    pub fn none() -> Self {
        Self::default()
    }

    /// The value, for the one place that sends it.
    pub(crate) fn expose(&self, reference: &SecretRef, what_for: &str) -> Result<&str, Failure> {
        self.0.get(reference).map(ExposeSecret::expose_secret).ok_or_else(|| Failure {
            reason: Reason::ConfigError,
            phase: Phase::Dns,
            message: format!("{what_for}: {reference} could not be read"),
        })
    }
}

impl FromIterator<(SecretRef, SecretString)> for Secrets {
    fn from_iter<I: IntoIterator<Item = (SecretRef, SecretString)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}
