//! Which ticket is meant: by its name, the beginning of it, or its number.

use std::str::FromStr;

use api::Ticket;
use kube::{Api, ResourceExt, api::ListParams, core::DeserializeGuard};
use thiserror::Error;

use super::{
    cluster::{Asked, Session, Trouble, ask},
    exit::{Exit, Failure},
    output::{cut, plain},
};

/// The resource, as errors name it.
pub const TICKETS: &str = "tickets.firstline.dev";

/// So many candidates are listed when more than one ticket may be meant.
const CANDIDATES: usize = 10;

/// A ticket as a person names it: `inc-mfrgg…`, the beginning of that, `1042` or `#1042`; `payments/` before
/// it names the namespace, as mails do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRef {
    namespace: Option<String>,
    id: Id,
    written: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Id {
    Number(i64),
    Name(String),
}

impl FromStr for TicketRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, rest) = match text.split_once('/') {
            Some((namespace, rest)) => (Some(namespace.to_owned()), rest),
            None => (None, text),
        };
        let digits = rest.strip_prefix('#').unwrap_or(rest);
        let name =
            |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
        let id = match digits.parse::<i64>() {
            Ok(number) if number > 0 => Id::Number(number),
            _ if !rest.is_empty() && name(rest) => Id::Name(rest.to_owned()),
            _ => {
                return Err(
                    "expected a ticket's name, the beginning of it, or its number such as 1042 or #1042".to_owned()
                );
            }
        };
        Ok(Self { namespace, id, written: text.to_owned() })
    }
}

/// Why no ticket can be named.
#[derive(Debug, Error)]
pub enum LookupError {
    /// There is none.
    #[error(
        "no ticket in namespace {namespace} {what}; see `firstline tickets --all`, or name another namespace with -n"
    )]
    None {
        /// Where it was looked for.
        namespace: String,
        /// Is called, begins with, has the number.
        what: String,
    },
    /// There are several.
    #[error("`{written}` may mean {} tickets; write more of the name:\n{}", .candidates.len(), listed(.candidates))]
    Several {
        /// As written.
        written: String,
        /// The names, each with number, state and title.
        candidates: Vec<String>,
    },
}

impl LookupError {
    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::None { .. } => Exit::No,
            Self::Several { .. } => Exit::Usage,
        }
    }
}

fn listed(candidates: &[String]) -> String {
    let mut lines: Vec<String> = candidates.iter().take(CANDIDATES).map(|line| format!("  {line}")).collect();
    if candidates.len() > CANDIDATES {
        lines.push(format!("  … and {} more", candidates.len() - CANDIDATES));
    }
    lines.join("\n")
}

impl TicketRef {
    /// Finds the ticket in the cluster. One call when the whole name was written, two otherwise.
    ///
    /// # Errors
    /// When none or several are meant, or the cluster does not answer.
    pub async fn find(&self, session: &Session) -> Result<Ticket, Failure> {
        let namespace = self.namespace.as_deref().unwrap_or(&session.namespace);
        let api: Api<Ticket> = Api::namespaced(session.client.clone(), namespace);
        let name = match &self.id {
            Id::Name(name) => name.as_str(),
            Id::Number(_) => self.written.rsplit('/').next().unwrap_or_default(),
        };
        if !name.starts_with('#') {
            match ask(&Asked::new("get", TICKETS, namespace), api.get(name)).await {
                Ok(ticket) => return Ok(ticket),
                Err(Trouble::NotFound { .. }) => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
        let (all, _) = list(session, Some(namespace)).await?;
        Ok(self.choose(all, namespace)?)
    }

    /// The one ticket of these that is meant.
    ///
    /// # Errors
    /// When none or several are.
    pub fn choose(&self, all: Vec<Ticket>, namespace: &str) -> Result<Ticket, LookupError> {
        let number = |ticket: &Ticket| ticket.status.as_ref().and_then(|status| status.number);
        let (mut found, what): (Vec<Ticket>, String) = match &self.id {
            Id::Number(wanted) => (
                all.into_iter().filter(|ticket| number(ticket) == Some(*wanted)).collect(),
                format!("has the number {wanted}"),
            ),
            Id::Name(wanted) => {
                let exact = all.iter().position(|ticket| ticket.name_any() == *wanted);
                let found = match exact {
                    Some(index) => all.into_iter().skip(index).take(1).collect(),
                    None => all.into_iter().filter(|ticket| ticket.name_any().starts_with(wanted.as_str())).collect(),
                };
                (found, format!("has a name that begins with `{wanted}`"))
            }
        };
        found.sort_by_key(ResourceExt::name_any);
        match found.pop() {
            None => Err(LookupError::None { namespace: namespace.to_owned(), what }),
            Some(only) if found.is_empty() => Ok(only),
            Some(last) => {
                let candidates = found.iter().chain([&last]).map(candidate).collect();
                Err(LookupError::Several { written: self.written.clone(), candidates })
            }
        }
    }
}

fn candidate(ticket: &Ticket) -> String {
    let status = ticket.status.as_ref();
    let number = status.and_then(|status| status.number).map_or_else(|| "#-".to_owned(), |number| format!("#{number}"));
    let state = status.and_then(|status| status.state).map_or_else(|| "New".to_owned(), |state| format!("{state:?}"));
    format!("{}  {number}  {state}  {}", ticket.name_any(), cut(&plain(&ticket.spec.title), 60))
}

/// All tickets of a namespace, or of all, and the names of those that cannot be read.
///
/// # Errors
/// When the cluster does not answer.
pub async fn list(session: &Session, namespace: Option<&str>) -> Result<(Vec<Ticket>, Vec<String>), Trouble> {
    let api: Api<DeserializeGuard<Ticket>> = match namespace {
        Some(namespace) => Api::namespaced(session.client.clone(), namespace),
        None => Api::all(session.client.clone()),
    };
    let asked = Asked::new("list", TICKETS, namespace.unwrap_or_default());
    let (mut tickets, mut unreadable) = (Vec::new(), Vec::new());
    for object in ask(&asked, api.list(&ListParams::default())).await?.items {
        match object.0 {
            Ok(ticket) => tickets.push(ticket),
            Err(invalid) => {
                unreadable.push(format!("{}: {}", invalid.metadata.name.unwrap_or_default(), invalid.error));
            }
        }
    }
    Ok((tickets, unreadable))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{super::fixtures, *};

    fn named(text: &str) -> TicketRef {
        text.parse().unwrap()
    }

    fn choose(text: &str) -> Result<String, LookupError> {
        let tickets = vec![
            fixtures::ticket("inc-aaaa", 7, "Checkout is down"),
            fixtures::ticket("inc-aabb", 1042, "Search is slow"),
            fixtures::ticket("inc-aabbcc", 43, "Mail is late"),
        ];
        named(text).choose(tickets, "payments").map(|ticket| ticket.name_any())
    }

    #[rstest]
    #[case("inc-aaa", "inc-aaaa")]
    #[case("inc-aabb", "inc-aabb")]
    #[case("inc-aabbc", "inc-aabbcc")]
    #[case("1042", "inc-aabb")]
    #[case("#43", "inc-aabbcc")]
    #[case("payments/inc-aaaa", "inc-aaaa")]
    fn a_name_its_beginning_or_the_number_is_enough(#[case] written: &str, #[case] expected: &str) {
        assert_eq!(choose(written).unwrap(), expected);
    }

    #[test]
    fn what_may_mean_several_tickets_lists_them() {
        let error = choose("inc-aab").and(choose("inc-aa")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`inc-aab` may mean 2 tickets; write more of the name:\n  \
             inc-aabb  #1042  Open  Search is slow\n  \
             inc-aabbcc  #43  Open  Mail is late"
        );
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn what_means_no_ticket_says_where_it_was_looked_for() {
        assert_eq!(
            choose("#9").unwrap_err().to_string(),
            "no ticket in namespace payments has the number 9; see `firstline tickets --all`, or name another namespace with -n"
        );
        assert!(choose("inc-z").unwrap_err().to_string().contains("begins with `inc-z`"));
    }

    #[rstest]
    #[case("")]
    #[case("#")]
    #[case("Checkout")]
    #[case("payments/")]
    fn what_cannot_name_a_ticket_is_refused_before_anything_is_sent(#[case] written: &str) {
        let error = written.parse::<TicketRef>().unwrap_err();
        assert!(error.starts_with("expected a ticket's name"), "{error}");
    }
}
