//! Which policy and route decide.
