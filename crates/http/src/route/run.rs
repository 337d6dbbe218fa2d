//! A run of routes, of which the first that matches counts: all of a virtual host's, or those of one action of its
//! matcher.

use std::ops::Range;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::match_tree::{MatchData, MatchTree, Outcome};
use nuncio_contract::stream_info::StreamInfo;

use super::matcher::without_parameters;
use super::path_index::{LEAST_ROUTES, PathIndex, Question};
use super::{Route, without_query};

/// How a virtual host's routes are looked through.
pub(super) enum Order {
    /// One after another.
    Run(Run),
    /// As its matcher says.
    Tree(Box<MatchTree<Run>>),
}

/// Which of a virtual host's routes are in the run.
#[derive(Debug)]
pub(super) struct Run {
    places: Range<usize>,
    /// Of long runs.
    index: Option<Box<Index>>,
}

#[derive(Debug)]
struct Index {
    paths: PathIndex,
    ignores_path_parameters: bool,
}

impl Order {
    /// The place of the route that is found among `routes`.
    #[inline]
    pub(super) fn first(
        &self,
        routes: &[Route],
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> Option<usize> {
        let run = match self {
            Order::Run(run) => run,
            Order::Tree(_) => self.run_of(request, info)?,
        };
        run.first(routes, request, info, random)
    }

    /// The run that a request's route is looked for in.
    #[inline(never)]
    pub(super) fn run_of(&self, request: &HeaderMap, info: &StreamInfo) -> Option<&Run> {
        match self {
            Order::Run(run) => Some(run),
            Order::Tree(tree) => match tree.find(&MatchData::of_request(request, info)) {
                Outcome::Action(run) => Some(run),
                Outcome::Nothing | Outcome::Undecided => None,
            },
        }
    }
}

impl Run {
    /// Whether the route of that place is in it.
    pub(super) fn holds(&self, place: usize) -> bool {
        self.places.contains(&place)
    }

    /// The run of those of `routes` that are at `places`.
    pub(super) fn of(routes: &[Route], places: Range<usize>) -> Self {
        let run = routes.get(places.clone()).unwrap_or_default();
        let index = (run.len() >= LEAST_ROUTES).then(|| {
            Box::new(Index {
                paths: PathIndex::new(run.iter().map(|route| route.matcher.reach())),
                ignores_path_parameters: run
                    .iter()
                    .any(|route| route.matcher.ignores_path_parameters()),
            })
        });
        Run { places, index }
    }

    /// The place of the first of `routes` in the run that matches.
    pub(super) fn first(
        &self,
        routes: &[Route],
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> Option<usize> {
        let run = routes.get(self.places.clone())?;
        let path = request.get(Known::Path);
        let within = match &self.index {
            None => run
                .iter()
                .position(|route| route.matcher.matches(path, request, info, random)),
            Some(index) => index.first(run, path, request, info, random),
        };
        Some(self.places.start + within?)
    }
}

impl Index {
    #[inline(never)]
    fn first(
        &self,
        run: &[Route],
        path_and_query: Option<&[u8]>,
        request: &HeaderMap,
        info: &StreamInfo,
        random: u64,
    ) -> Option<usize> {
        let path = path_and_query.map(|path| match self.ignores_path_parameters {
            true => without_parameters(without_query(path)),
            false => without_query(path).into(),
        });
        let place = self.paths.first(path.as_deref(), |place, question| {
            let route = usize::try_from(place).ok().and_then(|place| run.get(place));
            route.is_some_and(|route| match question {
                Question::All => route.matcher.matches(path_and_query, request, info, random),
                Question::BesidePath => {
                    route
                        .matcher
                        .matches_beside_path(path_and_query, request, info, random)
                }
            })
        })?;
        usize::try_from(place).ok()
    }
}
