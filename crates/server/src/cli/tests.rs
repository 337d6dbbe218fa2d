//! The command line against what Envoy 1.40 said to the same arguments.

use super::{ErrorFormat, Instead, LogLevel, Mode, Options, read};

fn run(arguments: &[&str]) -> Result<Options, Instead> {
    let all: Vec<String> = std::iter::once(&"envoy")
        .chain(arguments)
        .map(|argument| (*argument).to_owned())
        .collect();
    read(&all, "1.40.0", "   upgrade    does it\n")
}

fn options(arguments: &[&str]) -> Options {
    run(arguments).unwrap_or_else(|instead| panic!("{arguments:?}: {instead:?}"))
}

/// What is printed about a mistake: its first two lines, or all of it when it is one line.
fn mistake(arguments: &[&str]) -> String {
    match run(arguments) {
        Err(Instead::Wrong(text)) if text.starts_with("PARSE ERROR: Argument: ") => {
            let mut lines = text.lines().map(str::trim);
            let argument = lines.next().unwrap_or_default();
            let argument = argument.trim_start_matches("PARSE ERROR: Argument: ");
            format!("{argument}: {}", lines.next().unwrap_or_default())
        }
        Err(Instead::Wrong(text)) => text.trim_end().to_owned(),
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn help_begins_with_envoys_own() {
    let Err(Instead::Out(help)) = run(&["--help"]) else {
        panic!("help is printed to standard output");
    };
    let envoys = include_str!("envoy_help.txt").trim_end();
    assert!(help.starts_with(envoys), "{help}");
    assert!(help.contains("--allow-unsupported") && help.contains("   upgrade    does it\n"));
}

#[test]
fn a_mistake_is_told_as_envoy_tells_it() {
    let Err(Instead::Wrong(text)) = run(&["--mode=serve"]) else {
        panic!("a mistake is printed to standard error");
    };
    assert_eq!(text, include_str!("envoy_mistake.txt"));
}

#[test]
fn a_program_may_have_any_name() {
    for name in ["", "\u{e9}", &"\u{1f980}".repeat(60)] {
        let arguments = [name.to_owned(), "--nosuch".to_owned()];
        let Err(Instead::Wrong(text)) = read(&arguments, "", "") else {
            panic!("a mistake is printed to standard error");
        };
        assert!(text.contains("[--base-id"), "{text}");
    }
}

#[test]
fn the_version_follows_the_programs_name() {
    for arguments in [&["--version"][..], &["--version", "extra"]] {
        let text = "\nenvoy  version: 1.40.0\n\n".to_owned();
        assert_eq!(run(arguments).unwrap_err(), Instead::Out(text));
    }
}

#[test]
fn values_follow_their_flags_in_the_next_argument_or_after_a_space() {
    let two = options(&["-c", "a.yaml", "--mode", "validate", "--concurrency", "3"]);
    let one = options(&["-c a.yaml", "--mode validate", "--concurrency 3"]);
    for options in [two, one] {
        assert_eq!(options.config_path, Some("a.yaml".into()));
        assert_eq!(
            (options.mode, options.concurrency),
            (Mode::Validate, Some(3))
        );
    }
    // A value may look like a flag.
    assert_eq!(
        options(&["--service-node", "--mode"]).service_node,
        "--mode"
    );
}

#[test]
fn what_envoy_does_not_understand_is_not_understood() {
    let no_match = "Couldn't find match for argument";
    for argument in ["--mode=validate", "--nosuch", "-x", "foo", "-ldebug"] {
        assert_eq!(mistake(&[argument]), format!("{argument}: {no_match}"));
    }
    let cases: [(&[&str], &str); 5] = [
        (&["--mode"], "(--mode): Missing a value for this argument!"),
        (
            &["-c"],
            "-c (--config-path): Missing a value for this argument!",
        ),
        (
            &["-c", "a", "--config-path", "b"],
            "-c (--config-path): Argument already set!",
        ),
        (
            &["--cpuset-threads", "--cpuset-threads"],
            "(--cpuset-threads): Argument already set!",
        ),
        (
            &["--concurrency", "1", "--concurrency", "2"],
            "(--concurrency): Argument already set!",
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(mistake(arguments), expected);
    }
}

#[test]
fn nothing_after_two_dashes_counts() {
    assert_eq!(options(&["--", "--nosuch", "foo"]).mode, Mode::Serve);
    assert_eq!(
        options(&["--ignore_rest", "--mode", "bogus"]).mode,
        Mode::Serve
    );
}

#[test]
fn a_group_of_letters_with_h_in_it_asks_for_help() {
    assert!(matches!(run(&["-xh"]), Err(Instead::Out(_))));
    assert!(matches!(run(&["--help", "--nosuch"]), Err(Instead::Out(_))));
}

#[test]
fn numbers_are_read_as_streams_of_cpp_read_them() {
    for (text, number) in [(" 5", 5), ("+5", 5), ("-4294967295", 1), ("", 0)] {
        assert_eq!(options(&["--base-id", text]).base_id, number, "{text}");
    }
    let unreadable = ["abc", "1x", "5 ", "1 x", "-", "0x10", "4294967296"];
    for text in unreadable {
        let expected = format!("(--base-id): Couldn't read argument value from string '{text}'");
        assert_eq!(mistake(&["--base-id", text]), expected);
    }
    assert_eq!(
        mistake(&["--base-id", "1 2"]),
        "(--base-id): More than one valid value parsed from string '1 2'"
    );
}

#[test]
fn values_are_checked_with_envoys_words() {
    let cases: [(&[&str], &str); 14] = [
        (&["--mode", "bogus"], "error: unknown mode 'bogus'"),
        (
            &["-l", "bogus"],
            "error: invalid log level specified 'bogus'",
        ),
        (
            &["--component-log-level", "foo:debug"],
            "error: invalid component specified 'foo'",
        ),
        (
            &["--component-log-level", "upstream:bogus"],
            "error: invalid log level specified 'bogus'",
        ),
        (
            &["--component-log-level", "upstream"],
            "error: component log level not correctly specified 'upstream'",
        ),
        (
            &[
                "--component-log-level",
                "upstream:info",
                "--enable-fine-grain-logging",
            ],
            "error: --component-log-level will not work with --enable-fine-grain-logging",
        ),
        (
            &["--stats-tag", "foo"],
            "error: misformatted stats-tag 'foo'",
        ),
        (
            &["--stats-tag", "f-o:bar"],
            "error: misformatted stats-tag 'f-o:bar' contains invalid char in 'f-o'",
        ),
        (
            &["--stats-tag", "a:b.c"],
            "error: misformatted stats-tag 'a:b.c' contains invalid char in 'b.c'",
        ),
        (
            &["--stats-tag", "a:"],
            "error: misformatted stats-tag 'a:' contains invalid char in ''",
        ),
        (
            &["--drain-strategy", "foo"],
            "error: unknown drain-strategy 'serve'",
        ),
        (
            &["--local-address-ip-version", "v7"],
            "error: unknown IP address version 'v7'",
        ),
        (
            &["--use-dynamic-base-id", "--restart-epoch", "1"],
            "error: cannot use --restart-epoch=1 with --use-dynamic-base-id",
        ),
        (
            &["--socket-path", "/tmp/x", "--socket-mode", "9"],
            "error: invalid socket-mode '9'",
        ),
    ];
    for (arguments, expected) in cases {
        assert_eq!(mistake(arguments), expected);
    }
    // An abstract socket has no permissions, so nothing looks at them.
    assert_eq!(options(&["--socket-mode", "9"]).socket_mode, 0);
}

#[test]
fn flags_that_may_be_repeated_keep_their_order() {
    let tags = options(&["--stats-tag", "a:b:c", "--stats-tag", "d:e"]).stats_tags;
    let tags: Vec<_> = tags.iter().map(|tag| (&*tag.name, &*tag.value)).collect();
    assert_eq!(tags, [("a", "b:c"), ("d", "e")]);
    let levels = options(&["--component-log-level", "upstream:warn,config:off"]).component_levels;
    let levels: Vec<_> = levels.iter().map(|one| (&*one.logger, one.level)).collect();
    assert_eq!(
        levels,
        [("upstream", LogLevel::Warning), ("config", LogLevel::Off)]
    );
}

#[test]
fn threads_are_at_least_one_and_odd_settings_are_warned_of() {
    let options_of = options(&[
        "--concurrency",
        "0",
        "--cpuset-threads",
        "--allow-unknown-fields",
    ]);
    assert_eq!(options_of.concurrency, Some(1));
    assert!(options_of.allow_unknown_static_fields);
    assert_eq!(options_of.warnings().len(), 2);
    let quiet = options(&["--allow-unknown-fields", "--skip-deprecated-logs"]);
    assert!(quiet.warnings().is_empty());
}

#[test]
fn nuncios_own_flags_are_read_the_same_way() {
    let own = options(&[
        "--allow-unsupported",
        "--error-format",
        "json",
        "--config-env",
    ]);
    assert!(own.allow_unsupported && own.config_env);
    assert_eq!(own.error_format, ErrorFormat::Json);
    assert_eq!(
        mistake(&["--error-format", "xml"]),
        "error: unknown error-format 'xml'"
    );
}

#[test]
fn the_version_of_hot_restart_is_said_without_an_end_of_line() {
    let aside = run(&["--hot-restart-version"]).unwrap_err();
    assert_eq!(aside, Instead::Aside("nuncio.1".to_owned()));
    let aside = run(&["--hot-restart-version", "--disable-hot-restart"]).unwrap_err();
    assert_eq!(aside, Instead::Aside("disabled".to_owned()));
}
