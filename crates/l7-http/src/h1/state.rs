//! What each side of a connection may do next.
//!
//! Job: the life of one exchange as a table, for both roles; refuse a step out of turn.
//! Owns: two states and whether the connection may be used again. Does not know: bytes, time, which role we play.
//! Sources: RFC 9112 sections 9.3 (persistence), 9.3.2 (pipelining), 9.6 (tear-down); RFC 9110 section 15.2 (1xx).
//!
//! ```text
//! client   Idle ──request head──► Body ──end──► Done ┐
//!                                                    ├─ both done ─► Idle, Idle   (may be used again)
//! server   Idle ─(request head)─► Owing ─head─► Body ─end─► Done ┘   or MustClose   (may not)
//!                                  └─1xx─┘
//! ```

outcrop_base::vocabulary! {
    /// One of the two ends.
    pub enum Role {
        /// Sends requests.
        Client = "client",
        /// Sends responses.
        Server = "server",
    }
}

outcrop_base::vocabulary! {
    /// Where one end stands in the current exchange.
    pub enum State {
        /// Nothing of this exchange was sent.
        Idle = "idle",
        /// Server: a request arrived, its response has not begun.
        Owing = "owing",
        /// The head was sent, the body is under way.
        Body = "body",
        /// The message is complete.
        Done = "done",
        /// Complete, and nothing may follow: the connection is to be closed.
        MustClose = "must-close",
        /// This end has finished its stream.
        Closed = "closed",
        /// Framing was lost or an answer broken off; only closing is left.
        Failed = "failed",
    }
}

outcrop_base::vocabulary! {
    /// What one end does.
    pub enum Step {
        /// Client: a request head.
        Request = "request",
        /// Server: a 1xx head.
        Informational = "informational",
        /// Server: a final head.
        Response = "response",
        /// Body bytes.
        Data = "data",
        /// The end of a message.
        End = "end",
        /// The end of the stream.
        Close = "close",
        /// A message that cannot be understood or finished.
        Fail = "fail",
    }
}

/// The table: the state after `step` by an end in `state`, or `None` if it is out of turn.
#[must_use]
pub const fn next(role: Role, state: State, step: Step) -> Option<State> {
    use State::{Body, Closed, Done, Failed, Idle, MustClose, Owing};
    match (role, step, state) {
        (Role::Client, Step::Request, Idle) => Some(Body),
        (Role::Server, Step::Informational, Owing) => Some(Owing),
        (Role::Server, Step::Response, Owing) => Some(Body),
        (_, Step::Data, Body) => Some(Body),
        (_, Step::End, Body) => Some(Done),
        (_, Step::Close, Idle | Done | MustClose | Closed) => Some(Closed),
        // Finishing the stream in the middle of a message breaks it off.
        (_, Step::Close, Owing | Body | Failed) | (_, Step::Fail, _) => Some(Failed),
        _ => None,
    }
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    client: State,
    server: State,
    reusable: bool,
}

/// A step out of turn: which end, where it stood, what was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {role} cannot do '{step}' while {state}")]
pub struct OutOfTurn {
    /// Whose step.
    pub role: Role,
    /// Where that end stood.
    pub state: State,
    /// What it tried.
    pub step: Step,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            client: State::Idle,
            server: State::Idle,
            reusable: true,
        }
    }
}

impl Exchange {
    /// Where `role` stands.
    #[must_use]
    pub const fn state(&self, role: Role) -> State {
        match role {
            Role::Client => self.client,
            Role::Server => self.server,
        }
    }

    /// Whether another exchange may follow this one.
    #[must_use]
    pub const fn reusable(&self) -> bool {
        self.reusable
    }

    /// No exchange follows this one: either side said `close`, or the protocol demands it.
    pub const fn last(&mut self) {
        self.reusable = false;
        self.couple();
    }

    /// Takes a step of `role`, with what it means for the other end.
    ///
    /// # Errors
    /// The step is out of turn; nothing changed.
    pub const fn step(&mut self, role: Role, step: Step) -> Result<(), OutOfTurn> {
        let state = self.state(role);
        let Some(to) = next(role, state, step) else {
            return Err(OutOfTurn { role, state, step });
        };
        match role {
            Role::Client => self.client = to,
            Role::Server => self.server = to,
        }
        if matches!((role, step), (Role::Client, Step::Request)) {
            self.server = State::Owing;
        }
        if matches!(step, Step::Fail) {
            self.reusable = false;
        }
        self.couple();
        Ok(())
    }

    /// The server must refuse a request it cannot even parse: it owes an answer to nothing.
    pub const fn owe_refusal(&mut self) {
        if matches!(self.server, State::Idle) {
            self.server = State::Owing;
        }
    }

    /// Whether the exchange is over on both sides and the next may begin.
    #[must_use]
    pub const fn both_done(&self) -> bool {
        matches!(self.client, State::Done) && matches!(self.server, State::Done)
    }

    /// Begins the next exchange. Without effect unless [`Exchange::both_done`].
    pub const fn begin_next(&mut self) {
        if self.both_done() {
            self.client = State::Idle;
            self.server = State::Idle;
        }
    }

    /// The one rule across the two ends: a connection that is not reusable ends with this exchange.
    const fn couple(&mut self) {
        if self.reusable {
            return;
        }
        if matches!(self.client, State::Done) {
            self.client = State::MustClose;
        }
        if matches!(self.server, State::Done) {
            self.server = State::MustClose;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figure above, as rows: role, before, step, after.
    const FIGURE: &[(Role, State, Step, State)] = &[
        (Role::Client, State::Idle, Step::Request, State::Body),
        (Role::Client, State::Body, Step::Data, State::Body),
        (Role::Client, State::Body, Step::End, State::Done),
        (
            Role::Server,
            State::Owing,
            Step::Informational,
            State::Owing,
        ),
        (Role::Server, State::Owing, Step::Response, State::Body),
        (Role::Server, State::Body, Step::Data, State::Body),
        (Role::Server, State::Body, Step::End, State::Done),
    ];

    #[test]
    fn every_pair_not_in_the_figure_is_out_of_turn_or_ends_the_connection() {
        for role in Role::ALL {
            for state in State::ALL {
                for step in Step::ALL {
                    let drawn = FIGURE
                        .iter()
                        .find(|row| (row.0, row.1, row.2) == (*role, *state, *step));
                    match (next(*role, *state, *step), drawn) {
                        (Some(to), Some(row)) => assert_eq!(to, row.3),
                        (Some(State::Closed), None) => assert_eq!(*step, Step::Close),
                        (Some(State::Failed), None) => {
                            assert!(matches!(step, Step::Close | Step::Fail));
                        }
                        (None, None) => {}
                        (got, drawn) => panic!("{role} {state} {step}: {got:?}, figure {drawn:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn exchange_complete_on_both_sides_begins_again() {
        let mut exchange = Exchange::default();
        exchange.step(Role::Client, Step::Request).unwrap();
        exchange.step(Role::Client, Step::End).unwrap();
        assert_eq!(exchange.state(Role::Server), State::Owing);
        exchange.step(Role::Server, Step::Informational).unwrap();
        exchange.step(Role::Server, Step::Response).unwrap();
        exchange.step(Role::Server, Step::End).unwrap();
        assert!(exchange.both_done());
        exchange.begin_next();
        assert_eq!(exchange, Exchange::default());
    }

    #[test]
    fn exchange_marked_last_ends_in_must_close_on_both_sides() {
        let mut exchange = Exchange::default();
        exchange.step(Role::Client, Step::Request).unwrap();
        exchange.step(Role::Client, Step::End).unwrap();
        exchange.step(Role::Server, Step::Response).unwrap();
        exchange.last();
        exchange.step(Role::Server, Step::End).unwrap();
        assert_eq!(exchange.state(Role::Client), State::MustClose);
        assert_eq!(exchange.state(Role::Server), State::MustClose);
        assert!(exchange.step(Role::Client, Step::Request).is_err());
    }
}
