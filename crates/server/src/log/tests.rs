//! What lines look like, against lines that Envoy 1.40 wrote with the same patterns.

use std::panic::Location;
use std::time::{Duration, UNIX_EPOCH};

use super::moment::Moment;
use super::pattern::{Line, Pattern, escaped};
use super::{DEFAULT_FORMAT, LogLevel};

fn written(pattern: &str, milliseconds: u64) -> String {
    let line = Line {
        level: LogLevel::Info,
        logger: "main",
        message: "say \"hi\"\tnow",
        place: Location::caller(),
        now: UNIX_EPOCH + Duration::from_millis(milliseconds) + Duration::from_micros(806),
        since_last: Duration::from_micros(6688),
    };
    Pattern::parse(pattern).write_at(&line, &Moment::with_offset(line.now, 0))
}

const WEDNESDAY: u64 = 1_795_631_694_798;

#[test]
fn the_default_format_names_time_thread_level_logger_and_place() {
    let line = written(DEFAULT_FORMAT, WEDNESDAY);
    let thread = nix::unistd::gettid();
    assert!(
        line.starts_with(&format!(
            "[2026-11-25 18:34:54.798][{thread}][info][main] ["
        )),
        "{line}"
    );
    assert!(line.contains("log/tests.rs:"), "{line}");
    assert!(line.ends_with("] say \"hi\"\tnow"), "{line}");
}

#[test]
fn every_flag_of_time_is_written_as_envoy_writes_it() {
    assert_eq!(
        written("%e|%f|%F|%E|%a|%A|%b|%B|%h|%c|%C|%Y|%D|%x|%m|%d", WEDNESDAY),
        "798|798806|798806000|1795631694|Wed|Wednesday|Nov|November|Nov|Wed Nov 25 18:34:54 2026|26|2026|11/25/26|\
         11/25/26|11|25"
    );
    assert_eq!(
        written("%H|%I|%M|%S|%p|%r|%R|%T|%X|%z", WEDNESDAY),
        "18|06|34|54|PM|06:34:54 PM|18:34|18:34:54|18:34:54|+00:00"
    );
    let moment = UNIX_EPOCH + Duration::from_millis(WEDNESDAY);
    for (offset, text) in [
        (-34_200, "25 09:04:54 -09:30"),
        (20_700, "26 00:19:54 +05:45"),
    ] {
        let line = Line {
            level: LogLevel::Info,
            logger: "main",
            message: "",
            place: Location::caller(),
            now: moment,
            since_last: Duration::ZERO,
        };
        let moment = Moment::with_offset(moment, offset);
        assert_eq!(Pattern::parse("%d %T %z").write_at(&line, &moment), text);
    }
    assert_eq!(written("%Y-%m-%d %I%p %a", 0), "1970-01-01 12AM Thu");
    assert_eq!(written("%Y-%m-%d", 951_782_400_000), "2000-02-29");
}

#[test]
fn flags_have_a_width_and_an_alignment_and_can_be_cut() {
    assert_eq!(
        written("%-8l|%8l|%=8l|%3!l|%L|%n", WEDNESDAY),
        "info    |    info|  info  |inf|I|main"
    );
}

#[test]
fn unknown_flags_stand_as_written() {
    assert_eq!(written("%q|%k|%%|100%", WEDNESDAY), "%q|%k|%|100");
}

#[test]
fn messages_can_be_put_into_json_and_lines_escaped() {
    assert_eq!(written("%j", WEDNESDAY), "say \\\"hi\\\"\\tnow");
    assert_eq!(written("%u|%i|%o|%O", WEDNESDAY), "6688000|6688|6|0");
    assert_eq!(escaped("a\tb\n'\u{e9}"), "a\\tb\\n\\'\\303\\251");
}
