//! Attacks that a list of exchanges cannot express: hosts and clients that misbehave in time, what becomes of
//! others' answers, and how much memory it takes. Numbers are those of the list of attack cases.

mod bounds;
mod pairing;
mod running;
