//! The identity of a ticket that two leaders may open: one that the API has lost sight of and that goes on by itself, and
//! the one that took the lease from it. Pure.
//!
//! They cannot speak with each other, and when both see a trouble begin, both page. A receiver knows the second page for a
//! repeat by its id alone, so both must come to the same identity by what both know: the ticket's name, the lead of the
//! first one as the lease tells of it, and about when the trouble began.
//!
//! What must never be is the opposite: a page with an id that its receiver has seen for another trouble would be dropped as
//! a repeat, and lost. The uid that the API gives to each ticket is safe from that; what is here stands in its place only
//! where two may open the same ticket. An identity therefore belongs to one outage of one lead, is given once by each
//! process and once in the API, and is another one for what begins at another time: the one that is cut off may have paged
//! for what only it saw, and have told its end.
//!
//! **A limit that no rule can lift**: two that see a trouble begin a moment apart agree only if that moment has no border
//! in it, and troubles that begin on the same side of all borders have one identity. So borders must lie somewhere
//! ([`FIRST`], [`CELL`]): what begins on both sides of one has two ids, as if there were no agreement.

use jiff::Timestamp;
use uuid::Uuid;

use super::identity::island_id;

/// Whatever begins before the end of this, counted from the last sign of life of the lead that is cut off, began at the same
/// time: what parts a leader from the API often breaks other things as well, which it finds with its next look and its
/// successor with the first. Two minutes are some intervals of most monitors.
const FIRST: i64 = 120;

/// After that, what begins within one of these, in seconds. Looks stand on a grid of the wall clock, the same one on every
/// replica, so that both find a trouble with the same look; a trouble that comes, ends and comes again takes longer.
const CELL: i64 = 30;

/// A lead, as the lease tells of it to its holder and to whoever takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Who: one process, never another one.
    pub holder: String,
    /// Since when it has the lease without a gap in which it went on by itself.
    pub acquired: Timestamp,
    /// When it renewed the lease last.
    pub renewed: Timestamp,
}

/// Who opens a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opener {
    /// A leader that followed on nobody who may go on by itself: the lease was free, or its holder is known to be dead.
    Leader,
    /// A leader that took the lease from this lead, which had fallen silent, or from successors of it that opened nothing.
    Successor(Lead),
    /// One that goes on without the API. The lead is its own; the one on which it follows where it has opened nothing yet.
    Island(Lead),
    /// One that goes on by the journal of an island that has died, and does not know all that was sent under its lead.
    Heir,
}

/// A ticket that is opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Where.
    pub namespace: &'a str,
    /// See [`ticket_name`](super::ticket_name).
    pub name: &'a str,
    /// The number of whoever opens it in the row of leaders.
    pub epoch: i64,
    /// Since when it counts.
    pub began: Timestamp,
    /// Now.
    pub at: Timestamp,
}

/// Whether what begins now may be what an outage of this lead has brought with it. A successor that has opened nothing yet leaves
/// the lead to the next one for as long as that. Not so when its last sign of life is in our future: then one of the two clocks is
/// far off, and nothing tells how long ago that was.
pub fn is_recent(lead: &Lead, now: Timestamp) -> bool {
    (-FIRST..FIRST).contains(&(now.as_second() - lead.renewed.as_second()))
}

/// What the ids of a ticket's messages are made from, in the place of its uid; `None`: the uid.
///
/// `is_known` says whether this process has seen a ticket with an identity, also one that is gone: then it is not given
/// again.
pub fn identity(opening: &Opening<'_>, opener: &Opener, is_known: impl Fn(Uuid) -> bool) -> Option<Uuid> {
    let shared = |lead| Some(shared_id(opening, lead)).filter(|id| !is_known(*id));
    let own = || island_id(opening.namespace, opening.name, opening.epoch, opening.at);
    match opener {
        Opener::Leader => None,
        Opener::Successor(lead) => shared(lead),
        Opener::Island(lead) => Some(shared(lead).unwrap_or_else(own)),
        Opener::Heir => Some(own()),
    }
}

/// The same for the lead that is cut off and for its successor.
fn shared_id(opening: &Opening<'_>, lead: &Lead) -> Uuid {
    let space = Uuid::from_u128(0x6d0f_3a52_41c7_5be8_a9d4_07f2_c35b_8e16);
    let (acquired, cell) = (lead.acquired.as_microsecond(), cell(opening.began, lead.renewed));
    let parts = [opening.namespace, opening.name, &lead.holder, &acquired.to_string(), &cell.to_string()];
    Uuid::new_v5(&space, parts.join("\u{0}").as_bytes())
}

/// About when a trouble began, as both see it: 0 for what the outage may have brought with it.
fn cell(began: Timestamp, renewed: Timestamp) -> i64 {
    let since = began.as_second() - renewed.as_second();
    if since < FIRST { 0 } else { 1 + (since - FIRST) / CELL }
}

#[cfg(test)]
mod tests;
