//! The conditions every resource reports, as kstatus and `kubectl wait` read them.
//!
//! | situation | Ready | Reconciling | Stalled |
//! |---|---|---|---|
//! | accepted and running | True | – | – |
//! | work going on | False | True | – |
//! | only a person can mend it | False | – | True |
//! | failed, will be tried again | False | True | – |

/// How far an object has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Accepted and running.
    Ready {
        /// Why, as a stable word.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Work is going on, or failed in a way that passes.
    Reconciling {
        /// Why, as a stable word.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Only a person can mend it.
    Stalled {
        /// Why, as a stable word.
        reason: &'static str,
        /// For people: what is wrong, where, and what to do.
        message: String,
    },
}

/// One condition to be written: type, status, reason, message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Ready`, `Reconciling`, `Stalled`, or a kind's own.
    pub type_: &'static str,
    /// True or False.
    pub status: bool,
    /// A stable word in CamelCase.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl Standing {
    /// The conditions that say this; a type that is not listed must be absent.
    pub fn conditions(&self) -> Vec<Condition> {
        let one = |type_, status, reason: &str, message: &str| Condition {
            type_,
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        match self {
            Self::Ready { reason, message } => vec![one("Ready", true, reason, message)],
            Self::Reconciling { reason, message } => {
                vec![one("Ready", false, reason, message), one("Reconciling", true, reason, message)]
            }
            Self::Stalled { reason, message } => {
                vec![one("Ready", false, reason, message), one("Stalled", true, reason, message)]
            }
        }
    }
}
