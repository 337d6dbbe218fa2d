//! The four proxies, and the relay that stands for the machine's limit: where their programs are and how each is started.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

/// Folders that hold system programs but are not in every user's path.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// One of the proxies compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    Nuncio,
    Envoy,
    Haproxy,
    Nginx,
    /// Nothing but bytes passed on: the limit of the machine.
    Relay,
}

impl Kind {
    /// Whether it takes HTTP/2 on the listener of HTTP/1.
    pub(crate) fn speaks_http2(self) -> bool {
        matches!(self, Kind::Nuncio | Kind::Envoy | Kind::Haproxy)
    }

    /// Its name in tables, options and JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nuncio => "nuncio",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Relay => "relay",
        }
    }

    /// Whether it reads Envoy's configuration.
    pub(crate) fn reads_bootstrap(self) -> bool {
        matches!(self, Self::Nuncio | Self::Envoy)
    }

    /// What makes it work in its first process, the only one that callgrind can be told to count.
    pub(crate) fn single_process_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["-g", "master_process off;"],
            Self::Nuncio | Self::Envoy | Self::Haproxy | Self::Relay => &[],
        }
    }

    /// Its small configuration, with ports and the like still to be filled in.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Nuncio | Self::Envoy => include_str!("../configs/envoy.yaml"),
            Self::Haproxy => include_str!("../configs/haproxy.cfg"),
            Self::Nginx => include_str!("../configs/nginx.conf"),
            Self::Relay => include_str!("../configs/relay.conf"),
        }
    }
}

/// Where the proxies are, as the command line says.
#[derive(Args)]
pub(crate) struct Binaries {
    /// Nuncio [default: beside this binary].
    #[arg(long)]
    pub(crate) nuncio: Option<PathBuf>,
    /// Envoy [default: the one in the path].
    #[arg(long)]
    pub(crate) envoy: Option<PathBuf>,
    /// HAProxy [default: the one in the path or in /usr/sbin].
    #[arg(long)]
    pub(crate) haproxy: Option<PathBuf>,
    /// nginx [default: the one in the path or in /usr/sbin].
    #[arg(long)]
    pub(crate) nginx: Option<PathBuf>,
}

/// An installed proxy.
pub(crate) struct Proxy {
    pub(crate) kind: Kind,
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

impl Proxy {
    /// Looks the program up and asks it for its version.
    ///
    /// # Errors
    /// In plain words, when there is none that runs.
    pub(crate) fn find(kind: Kind, binaries: &Binaries) -> Result<Self, String> {
        let given = match kind {
            Kind::Nuncio => &binaries.nuncio,
            Kind::Envoy => &binaries.envoy,
            Kind::Haproxy => &binaries.haproxy,
            Kind::Nginx => &binaries.nginx,
            Kind::Relay => &None,
        };
        let program = match given {
            Some(path) => path.clone(),
            None => default_program(kind).ok_or_else(|| "not installed".to_owned())?,
        };
        let program = behind_wrapper(program);
        let version = version(kind, &program)
            .map_err(|error| format!("{} does not run: {error}", program.display()))?;
        Ok(Self {
            kind,
            program,
            version,
        })
    }

    /// The program and its arguments for a configuration file and a number of workers.
    pub(crate) fn command_line(&self, config: &Path, workers: u32) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec![self.program.clone().into()];
        let config = config.as_os_str().to_owned();
        match self.kind {
            Kind::Nuncio | Kind::Envoy => {
                line.extend(["-c".into(), config]);
                line.extend(["--concurrency".into(), workers.to_string().into()]);
                line.extend(["--disable-hot-restart", "--log-level", "error"].map(Into::into));
            }
            Kind::Haproxy => line.extend(["-db".into(), "-f".into(), config]),
            Kind::Nginx => {
                let folder = config_folder(&config);
                line.extend(["-p".into(), folder, "-c".into(), config]);
                line.extend(["-e".into(), "stderr".into()]);
            }
            Kind::Relay => line.extend(["relay".into(), config]),
        }
        line
    }
}

fn config_folder(config: &OsString) -> OsString {
    Path::new(config)
        .parent()
        .map_or_else(|| "/".into(), |folder| folder.as_os_str().to_owned())
}

fn default_program(kind: Kind) -> Option<PathBuf> {
    let bench = env::current_exe().ok()?;
    if kind == Kind::Relay {
        return Some(bench);
    }
    if kind == Kind::Nuncio {
        let beside = bench.with_file_name("nuncio");
        return beside.exists().then_some(beside);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(kind.name()))
        .find(|program| program.is_file())
}

/// A Python environment starts Envoy through a script, whose own start must not count.
fn behind_wrapper(program: PathBuf) -> PathBuf {
    let is_script = starts_as_script(&program).unwrap_or(false);
    let library = program.parent().map(|folder| folder.join("../lib"));
    let (true, Some(Ok(entries))) = (is_script, library.map(fs::read_dir)) else {
        return program;
    };
    entries
        .flatten()
        .map(|entry| entry.path().join("site-packages/envoy/_bin/envoy"))
        .find_map(|real| real.canonicalize().ok())
        .unwrap_or(program)
}

fn starts_as_script(program: &Path) -> io::Result<bool> {
    let mut start = [0; 2];
    File::open(program)?.read_exact(&mut start)?;
    Ok(&start == b"#!")
}

fn version(kind: Kind, program: &Path) -> io::Result<String> {
    let argument = match kind {
        Kind::Nuncio | Kind::Envoy | Kind::Relay => "--version",
        Kind::Haproxy | Kind::Nginx => "-v",
    };
    let output = Command::new(program).arg(argument).output()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or("version unknown").trim();
    // Envoy puts its path before the version.
    let version = line
        .rsplit_once("version: ")
        .map_or(line, |(_, version)| version);
    Ok(version.to_owned())
}
