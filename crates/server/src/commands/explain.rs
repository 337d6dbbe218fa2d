//! `nuncio explain -c FILE METHOD URL`: which way a request would take through a configuration, and why.
//!
//! The configuration is loaded as for serving; nothing is bound, and nothing is sent but DNS queries with
//! `--resolve`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use nuncio_config::bootstrap::load;
use nuncio_config::lines::Lines;
use nuncio_config::report::{self, Style};
use nuncio_config::tree::Message;
use nuncio_contract::dns_resolver::ChosenResolver;
use nuncio_contract::registry::Extensions;
use nuncio_contract::stats::StatsStore;
use nuncio_http::explain::Listing;
use nuncio_upstream::ClusterManager;
use nuncio_upstream::discovery::Discovery;

use super::Command;
use super::arguments::{code, parse, print, style};
use crate::bootstrap::{self, SecretShelf, Surroundings};
use crate::cli::{ErrorFormat, Options};
use crate::explain::{
    Chain, Question, Subject, Tolerated, add_cluster, render_json, render_text, resolve,
};

/// How long `--resolve` waits for DNS.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The command's line in the table.
pub(super) const COMMAND: Command = Command {
    name: "explain",
    help: "explain -c FILE METHOD URL: print which way a request takes, and why",
    run,
};

/// Print which listener, virtual host, route and cluster a request takes, why earlier routes do not match, and
/// what is rewritten. Nothing is sent.
#[derive(Parser)]
struct Arguments {
    /// The configuration
    #[arg(short = 'c', long)]
    config_path: Option<String>,
    /// Inline YAML configuration, merged over that of --config-path
    #[arg(long)]
    config_yaml: Option<String>,
    /// The request's method
    method: String,
    /// The request's URL, as the client has it
    url: String,
    /// A header, `name: value`; may be repeated
    #[arg(short = 'H', long = "header", action = ArgAction::Append)]
    headers: Vec<String>,
    /// The listener's name; by default the only one, or the one at the URL's port
    #[arg(long)]
    listener: Option<String>,
    /// The client's IP address; by default one that is nobody's
    #[arg(long)]
    source: Option<IpAddr>,
    /// The client speaks TLS to the listener
    #[arg(long)]
    tls: bool,
    /// What every draw by chance yields: for runtime fractions and weighted clusters
    #[arg(long, default_value_t = 0)]
    random: u64,
    /// Show all routes of the virtual host, later ones too
    #[arg(long)]
    all: bool,
    /// Resolve the names of clusters
    #[arg(long)]
    resolve: bool,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    /// Warn about what is not supported yet instead of refusing it
    #[arg(long)]
    allow_unsupported: bool,
    /// Put environment variables in the place of ${NAME} and ${NAME:-default}
    #[arg(long)]
    config_env: bool,
    /// The form of errors, for people or for machines
    #[arg(long, value_enum, default_value_t = ErrorFormat::Text)]
    error_format: ErrorFormat,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

fn run(arguments: &[OsString], extensions: &Extensions) -> ExitCode {
    let arguments: Arguments = match parse("explain", arguments) {
        Ok(arguments) => arguments,
        Err(end) => return end,
    };
    match answer(&arguments, extensions) {
        Ok(text) => {
            print(&text);
            code(true)
        }
        Err(wrong) => {
            eprint!("{wrong}");
            code(false)
        }
    }
}

/// The answer, or everything that is wrong.
fn answer(arguments: &Arguments, extensions: &Extensions) -> Result<String, String> {
    let wrong = |text: String| format!("error: {text}\n");
    if arguments.config_path.is_none() && arguments.config_yaml.is_none() {
        return Err(wrong("name the configuration: -c FILE".to_owned()));
    }
    let question = question(arguments).map_err(wrong)?;
    let stats = StatsStore::default();
    let manager = Arc::new(ClusterManager::new(stats.clone()));
    let options = options(arguments);
    let around = Surroundings {
        options: &options,
        extensions,
        manager: &manager,
        stats: &stats,
        runtime: &Rc::default(),
        secrets: SecretShelf::default(),
        channels: nuncio_config::typed::Channels::default(),
    };
    let style = style(arguments.error_format);
    let mut loaded = match arguments.allow_unsupported {
        true => tolerantly(&around, style)?,
        false => strictly(&around, style)?,
    };
    for chain in &mut loaded.chains {
        eprint!("{}", chain.read_routes(&around, style));
    }
    if arguments.resolve {
        resolved(loaded.names, &loaded.resolver).map_err(wrong)?;
    }
    let report = Subject {
        listeners: loaded.chains.iter().filter_map(Chain::entry).collect(),
        clusters: &manager,
        tree: &loaded.tree,
        lines: &loaded.lines,
    }
    .answer(&question)
    .map_err(wrong)?;
    Ok(match arguments.format {
        Form::Json => render_json(&report),
        Form::Text => render_text(&report, std::io::stdout().is_terminal()),
    })
}

/// A configuration that was loaded.
struct Loaded {
    chains: Vec<Chain>,
    names: Vec<Discovery>,
    resolver: ChosenResolver,
    tree: Arc<Message>,
    lines: Arc<Lines>,
}

/// Loads as the server does.
fn strictly(around: &Surroundings<'_>, style: Style) -> Result<Loaded, String> {
    let (compiled, findings) =
        bootstrap::compile(around).map_err(|findings| findings.render(style))?;
    eprint!("{}", findings.render(style));
    let listeners = compiled.listeners.into_iter().enumerate();
    let clusters = compiled.clusters.into_iter();
    Ok(Loaded {
        chains: listeners
            .flat_map(|(place, resource)| {
                let crate::resource::ListenerResource {
                    listener, routes, ..
                } = resource;
                let chains = routes.iter().enumerate().map(move |(chain, routes)| Chain {
                    listener: Arc::clone(&listener),
                    routes: Arc::clone(routes),
                    place,
                    chain,
                });
                chains.collect::<Vec<_>>()
            })
            .collect(),
        names: clusters
            .filter_map(|resource| add_cluster(resource.config, around.manager))
            .collect(),
        resolver: compiled.resolver,
        tree: compiled.tree,
        lines: compiled.lines,
    })
}

/// Loads what can be told about, and says what is left out.
fn tolerantly(around: &Surroundings<'_>, style: Style) -> Result<Loaded, String> {
    let loaded =
        load(&bootstrap::input(around.options)).map_err(|refusal| refusal.render(style))?;
    let Tolerated {
        chains,
        names,
        resolver,
        mut warnings,
    } = Tolerated::compile(&loaded.tree, around);
    warnings.append(loaded.warnings);
    warnings.sort();
    eprint!("{}", report::render(&warnings, &loaded.sources, style));
    Ok(Loaded {
        chains,
        names,
        resolver,
        tree: Arc::new(loaded.tree),
        lines: Arc::new(Lines::of(&loaded.sources)),
    })
}

fn question(arguments: &Arguments) -> Result<Question, String> {
    let headers = arguments.headers.iter();
    Ok(Question {
        method: arguments.method.clone(),
        url: arguments.url.clone(),
        headers: headers
            .map(|text| Question::header(text))
            .collect::<Result<_, _>>()?,
        listener: arguments.listener.clone(),
        source: arguments.source,
        is_tls: arguments.tls,
        random: arguments.random,
        listing: match arguments.all {
            true => Listing::All,
            false => Listing::default(),
        },
    })
}

fn options(arguments: &Arguments) -> Options {
    Options {
        config_path: arguments.config_path.clone().map(Into::into),
        config_yaml: arguments.config_yaml.clone(),
        allow_unsupported: arguments.allow_unsupported,
        config_env: arguments.config_env,
        error_format: arguments.error_format,
        ..Options::default()
    }
}

/// Asks DNS once for the names of all clusters.
fn resolved(names: Vec<Discovery>, resolver: &ChosenResolver) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| format!("the event loop could not start: {error}"))?;
    let local = tokio::task::LocalSet::new();
    local
        .block_on(&runtime, async {
            tokio::time::timeout(RESOLVE_TIMEOUT, resolve(names, resolver)).await
        })
        .map_err(|_| format!("DNS did not answer in {} s", RESOLVE_TIMEOUT.as_secs()))
}
