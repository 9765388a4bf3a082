//! Who is on call.
