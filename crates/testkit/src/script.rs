//! What a fake upstream does with a request.

/// One thing that the upstream does, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Reads the request's body. Scripts that have neither this nor [`Step::Early`] begin with it.
    ReadBody,
    /// Does nothing but say that the body is not read first.
    Early,
    /// Reads so many bytes as they come, whatever the head said; they are shown as the body.
    Take(usize),
    /// Reads all that comes until the proxy says that no more will; shown as the body.
    TakeRest,
    /// Says that nothing more will be sent.
    HalfClose,
    /// Waits until the proxy closes the connection; what it sends meanwhile is dropped.
    AwaitClose,
    /// Closes in an orderly way.
    Close,
    /// Closes with a TCP reset.
    Reset,
}

/// Answers of one upstream: by path first, then a generic answer that names the upstream.
#[derive(Clone, Debug, Default)]
pub struct Script {
    answers: Vec<(String, Vec<Step>)>,
}

impl Script {
    /// A script that answers everything with 200 and a body that names upstream, method and path.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays `steps` for requests whose path without the query is `path`; `*` means any path.
    /// Of several entries for one path the first is played first, the last for ever after.
    pub fn answer(&mut self, path: &str, steps: Vec<Step>) {
        self.answers.push((path.to_owned(), steps));
    }

    /// The steps for the `times`-th request (from 0) for this path.
    pub(crate) fn steps(&self, path: &str, times: usize) -> Option<Vec<Step>> {
        let matching = |wanted: &str| -> Vec<&Vec<Step>> {
            self.answers
                .iter()
                .filter(|(path, _)| path == wanted)
                .map(|(_, steps)| steps)
                .collect()
        };
        let mut found = matching(path);
        if found.is_empty() {
            found = matching("*");
        }
        let last = found.len().checked_sub(1)?;
        found.get(times.min(last)).map(|steps| (*steps).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_for_a_path_are_played_in_order_and_the_last_one_stays() {
        let mut script = Script::new();
        script.answer("/a", vec![Step::Close]);
        script.answer("/a", vec![Step::Reset]);
        assert_eq!(script.steps("/a", 0), Some(vec![Step::Close]));
        assert_eq!(script.steps("/a", 5), Some(vec![Step::Reset]));
        assert_eq!(script.steps("/b", 0), None);
    }
}
