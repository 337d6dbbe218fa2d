//! From a case's upstreams to running ones.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use nuncio_testkit::bytes::{from_lines, from_text};
use nuncio_testkit::quic_host::{QuicAnswers, QuicHost, QuicStep};
use nuncio_testkit::script::{Script, Step};
use nuncio_testkit::tls::{self, Authority};
use nuncio_testkit::upstream::{Http2Script, Http2Step, RedisAnswers, Speaks, Upstream};

use crate::case::{
    Answer, Http2Answer, Http2Upstream, Http3Send, UpstreamHttp2Step, UpstreamHttp2Word,
    UpstreamSpec, UpstreamStep, UpstreamWord, http3_code, settings,
};
use crate::certificates::identity;
use crate::coding;

/// Fills the placeholders of a text.
type Fill<'f> = &'f mut dyn FnMut(&str) -> io::Result<String>;

/// Starts an upstream; `fill` is for the texts of its answers. What it answers as a host of Redis is said later.
///
/// # Errors
/// If the case is wrong or a socket cannot be had.
pub fn start(
    name: &str,
    spec: &UpstreamSpec,
    authority: &Authority,
    redis: &RedisAnswers,
    fill: Fill<'_>,
) -> io::Result<Upstream> {
    if spec.refuses {
        return Upstream::refusing(name);
    }
    let tls = match &spec.tls {
        Some(tls) => {
            let identity = match &tls.certificate {
                Some(certificate) => identity(certificate)?,
                None => authority.identity(&tls.names).map_err(io::Error::other)?,
            };
            Some(tls::server(identity, &tls.alpn, tls.asks).map_err(io::Error::other)?)
        }
        None => None,
    };
    Upstream::speaking(name, speaks(spec, redis, fill)?, tls)
}

/// Starts a host of QUIC.
///
/// # Errors
/// If the case is wrong or a socket cannot be had.
pub fn start_quic(answers: &BTreeMap<String, Vec<Http3Send>>) -> io::Result<QuicHost> {
    let identity = identity("server_ecdsa")?;
    let tls = tls::server(identity, &["h3".to_owned()], false).map_err(io::Error::other)?;
    let mut all = QuicAnswers::new();
    for (path, steps) in answers {
        let steps = steps.iter().map(quic_step).collect::<io::Result<_>>()?;
        all.insert(path.clone(), steps);
    }
    QuicHost::start(tls, all)
}

fn quic_step(step: &Http3Send) -> io::Result<QuicStep> {
    let ends = step.end == Some(true);
    if let Some(text) = &step.control {
        return Ok(QuicStep::Control(from_text(text), ends));
    }
    if let Some(text) = &step.uni {
        return Ok(QuicStep::Uni(from_text(text)));
    }
    if let Some(text) = &step.reset {
        return http3_code(text).map(QuicStep::Reset);
    }
    if let Some(text) = &step.stop {
        return http3_code(text).map(QuicStep::Stop);
    }
    if let Some(text) = &step.close {
        return http3_code(text).map(match ends {
            true => QuicStep::CloseBehind,
            false => QuicStep::Close,
        });
    }
    Ok(match step.bytes()? {
        Some((bytes, ends)) => QuicStep::Send(bytes, ends),
        None => QuicStep::Send(Vec::new(), ends),
    })
}

fn speaks(spec: &UpstreamSpec, redis: &RedisAnswers, fill: Fill<'_>) -> io::Result<Speaks> {
    if let Some(http2) = &spec.http2 {
        return Ok(Speaks::Http2(http2_script(http2)?));
    }
    if spec.redis.is_some() {
        return Ok(Speaks::Redis(redis.clone()));
    }
    if let Some(steps) = &spec.tcp {
        return Ok(Speaks::Tcp(
            steps
                .iter()
                .map(|one| step(one, fill))
                .collect::<io::Result<_>>()?,
        ));
    }
    let mut script = Script::new();
    for (path, answer) in &spec.answers {
        answer_in_turn(&mut script, path, answer, fill)?;
    }
    Ok(Speaks::Http1(script))
}

/// Adds an answer to a path's, or a row of them.
fn answer_in_turn(
    script: &mut Script,
    path: &str,
    answer: &Answer,
    fill: Fill<'_>,
) -> io::Result<()> {
    match answer {
        Answer::Text(text) => script.answer(path, vec![Step::Send(from_lines(&fill(text)?))]),
        Answer::Steps(steps) => {
            let steps: io::Result<_> = steps.iter().map(|one| step(one, fill)).collect();
            script.answer(path, steps?);
        }
        Answer::Turns { turns } => {
            for turn in turns {
                answer_in_turn(script, path, turn, fill)?;
            }
        }
    }
    Ok(())
}

fn step(step: &UpstreamStep, fill: Fill<'_>) -> io::Result<Step> {
    Ok(match step {
        UpstreamStep::Pack { pack } => Step::Send(coding::chunk(pack)?),
        UpstreamStep::Send { send } if send.contains("HTTP/1.") => Step::Send(from_lines(send)),
        UpstreamStep::Send { send } => Step::Send(from_text(&fill(send)?)),
        UpstreamStep::Fill { fill } => Step::Send(vec![b'a'; *fill]),
        UpstreamStep::Word(UpstreamWord::ReadBody) => Step::ReadBody,
        UpstreamStep::Word(UpstreamWord::Early) => Step::Early,
        UpstreamStep::Take { take } => Step::Take(*take),
        UpstreamStep::Word(UpstreamWord::TakeRest) => Step::TakeRest,
        UpstreamStep::Word(UpstreamWord::HalfClose) => Step::HalfClose,
        UpstreamStep::Word(UpstreamWord::AwaitClose) => Step::AwaitClose,
        UpstreamStep::Word(UpstreamWord::Close) => Step::Close,
        UpstreamStep::Word(UpstreamWord::Reset) => Step::Reset,
    })
}

fn http2_script(spec: &Http2Upstream) -> io::Result<Http2Script> {
    let mut script = Http2Script {
        settings: settings(&spec.settings)?,
        ..Http2Script::default()
    };
    for step in &spec.opening {
        script.opening.extend(step.frames(0)?);
    }
    for (path, answer) in &spec.answers {
        add_answer(&mut script, path, answer)?;
    }
    Ok(script)
}

fn add_answer(script: &mut Http2Script, path: &str, answer: &Http2Answer) -> io::Result<()> {
    let steps = match answer {
        Http2Answer::Response(text) => {
            let step = crate::case::FrameStep {
                response: Some(text.clone()),
                ..Default::default()
            };
            vec![http2_step(&UpstreamHttp2Step::Frame(Box::new(step)))?]
        }
        Http2Answer::Steps(steps) => steps.iter().map(http2_step).collect::<io::Result<_>>()?,
        Http2Answer::InOrder { in_order } => {
            for answer in in_order {
                add_answer(script, path, answer)?;
            }
            return Ok(());
        }
    };
    script.answers.push((path.to_owned(), steps));
    Ok(())
}

fn http2_step(step: &UpstreamHttp2Step) -> io::Result<Http2Step> {
    Ok(match step {
        UpstreamHttp2Step::Word(UpstreamHttp2Word::ReadBody) => Http2Step::ReadBody,
        UpstreamHttp2Step::Word(UpstreamHttp2Word::Early) => Http2Step::Early,
        UpstreamHttp2Step::Word(UpstreamHttp2Word::Never) => Http2Step::Never,
        UpstreamHttp2Step::Word(UpstreamHttp2Word::Close) => Http2Step::Close,
        UpstreamHttp2Step::Word(UpstreamHttp2Word::Reset) => Http2Step::Reset,
        UpstreamHttp2Step::Frame(step) => {
            // What is wrong with it shows here, not in the middle of an exchange.
            step.frames(1)?;
            let step = step.clone();
            let times = step.times.unwrap_or(1);
            Http2Step::Send(Arc::new(move |stream| {
                let frames = step.frames(stream).unwrap_or_default();
                std::iter::repeat_n(frames, times).flatten().collect()
            }))
        }
    })
}
