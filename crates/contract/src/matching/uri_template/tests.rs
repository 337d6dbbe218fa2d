//! URI templates, refused and taken, matched and rewritten as the real Envoy does.

use super::rewrite::TemplateRewrite;
use super::{UriTemplate, check_both, check_match, check_rewrite};

fn template(text: &str) -> UriTemplate {
    UriTemplate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    let error = check_match(text).expect_err(text);
    let start = format!("path_match_policy.path_template {text} is invalid: ");
    error
        .strip_prefix(&start)
        .expect("Envoy's words")
        .to_owned()
}

#[test]
fn a_template_is_refused_in_envoys_words() {
    for (text, reason) in [
        ("a", "Invalid pattern: \"a\""),
        ("/a b", "Invalid pattern: \"/a b\""),
        ("/a/é", "Invalid pattern: \"/a/é\""),
        ("//", "Invalid literal: \"\""),
        ("/a//b", "Invalid literal: \"\""),
        ("/a//", "Invalid literal: \"\""),
        ("/{a", "Unmatched variable bracket in mixed pattern: \"{a\""),
        ("/{}", "Invalid variable name: \"\""),
        ("/{1}", "Invalid variable name: \"1\""),
        ("/{a-b}", "Invalid variable name: \"a-b\""),
        ("/{a=}", "Empty variable match"),
        ("/{a=b/}", "Invalid variable match: \"/\""),
        ("/{a=/b}", "Invalid literal: \"\""),
        ("/{a=*b}", "Invalid variable match: \"b\""),
        ("/{a=***}", "Invalid variable match: \"*\""),
        ("/{a}{b}", "Invalid suffix literal: \"{b}\""),
        ("/x}y", "Invalid literal: \"x}y\""),
        ("/x{y", "Invalid literal: \"x{y\""),
        ("/x{a=b/c}", "Invalid literal: \"x{a=b\""),
        ("/*x/y", "Prefix match not supported."),
        ("/*{a}", "Invalid literal: \"{a}\""),
        ("/**/*", "Glob after text glob."),
        ("/**/{a}", "Implicit variable path glob after text glob."),
        ("/**/{a=*}", "Glob after text glob."),
        ("/{a=**}/**", "Glob after text glob."),
        ("/{a=*/**/*}", "Glob after text glob."),
        (
            "/{a}/{b}/{c}/{d}/{e}/{f}",
            "Exceeded variable count limit (5)",
        ),
        ("/{a}/{a}", "Repeated variable name: \"a\""),
        (
            "/{abcdefghijklmnopq}",
            "Invalid variable name length (length of \"abcdefghijklmnopq\" should be at least 1 and no more than 16)",
        ),
        ("/a?b", "Invalid literal: \"a?b\""),
        ("/[a]", "Invalid literal: \"[a]\""),
    ] {
        assert_eq!(refusal(text), reason, "{text}");
    }
}

#[test]
fn a_template_takes_segments_and_the_rest_as_envoy_does() {
    for (text, taken, refused) in [
        ("/", vec!["/"], vec!["/a", ""]),
        (
            "/a/*",
            vec!["/a/b", "/a/*", "/a/b;c", "/a/%2f", "/a/b=c"],
            vec!["/a/", "/a/b/c", "/a/[", "/A/b"],
        ),
        ("/a/**", vec!["/a/", "/a/b//c"], vec!["/a"]),
        ("/a/", vec!["/a/"], vec!["/a"]),
        ("/**.x", vec!["/.x", "/a/b/c.x"], vec!["/x", "/ax"]),
        ("/{a=*/**}", vec!["/a/", "/a/b/c"], vec!["/a"]),
        (
            "/x{v}y/{w=q/*}",
            vec!["/xvy/q/1"],
            vec!["/xy/q/1", "/xvvvy/q/", "/xvy/q/1/2"],
        ),
        ("/a(b)+$.", vec!["/a(b)+$."], vec!["/ab"]),
    ] {
        let template = template(text);
        for path in taken {
            assert!(template.matches(path.as_bytes()), "{text} takes {path}");
        }
        for path in refused {
            assert!(
                !template.matches(path.as_bytes()),
                "{text} does not take {path}"
            );
        }
    }
}

#[test]
fn a_star_inside_of_a_literal_repeats_and_twice_matches_nothing() {
    assert!(template("/a*b").matches(b"/aab"));
    assert!(!template("/a*b").matches(b"/a*b"));
    assert!(template("/{a}*").matches(b"/"));
    for text in ["/a**", "/***"] {
        assert!(!template(text).matches(text.as_bytes()));
        assert!(template(text).why_not(b"/a").contains("nothing does"));
    }
}

#[test]
fn a_rewrite_puts_the_variables_in_their_places() {
    for (matcher, rewrite, path, new) in [
        ("/swap/{a}/{b}", "/{b}/{a}", "/swap/x/y", Some("/y/x")),
        (
            "/{a}/{b=**}",
            "/n/{b}{b}.{a}",
            "/1/2/3",
            Some("/n/2/32/3.1"),
        ),
        ("/v{n}.x/{rest=q/**}", "/{rest}", "/v7.x/q/", Some("/q/")),
        ("/{a}", "/{a}", "/1/2", None),
        ("/*", "/", "/anything", Some("/")),
    ] {
        let rewrite = TemplateRewrite::parse(rewrite, &template(matcher)).expect(rewrite);
        let got = rewrite.rewrite(path.as_bytes());
        assert_eq!(got.as_deref(), new.map(str::as_bytes), "{matcher} {path}");
    }
}

#[test]
fn a_rewrite_is_refused_in_itself_or_beside_its_matcher() {
    for text in [
        "x", "", "//", "/a//b", "/{a", "/{1}", "/{}", "/a b", "/{a}//", "/a?b", "/x}", "/{a=b}",
        "/é",
    ] {
        let (message, reason) = check_rewrite(text).expect_err(text);
        assert_eq!(
            message,
            format!("path_rewrite_policy.path_template_rewrite {text} is invalid")
        );
        assert!(!reason.is_empty());
    }
    assert_eq!(check_rewrite("/a*{b}{b}/**"), Ok(()));
    for (matcher, rewrite) in [("/{a}/{b=**}", "/{c}"), ("/a**", "/x")] {
        let message = check_both(matcher, rewrite).expect_err(rewrite);
        let wanted = format!(
            "mismatch between variables in path_match_policy {matcher} and path_rewrite_policy {rewrite}"
        );
        assert_eq!(message, wanted);
    }
}

#[test]
fn it_is_told_how_far_a_path_comes() {
    for (text, path, reason) in [
        (
            "/tmpl/{one}/*/{rest=**}",
            "/tmpl/x",
            "the path ends before its `*`",
        ),
        (
            "/tmpl/{one}/*",
            "/other/x/y",
            "its `tmpl` does not match there",
        ),
        (
            "/a/{b}",
            "/a/b/c",
            "the path goes on where the template ends",
        ),
        ("/a/b{c}d", "/a/x", "its `b{c}d` does not match there"),
        ("/a/", "/a", "the path ends before its last `/`"),
        ("/a", "/", "the path ends before its `a`"),
        (
            "/a/*",
            "/a/[",
            "neither literals nor wildcards stand for `[`",
        ),
        ("/", "/a", "the path goes on where the template ends"),
    ] {
        let told = template(text).why_not(path.as_bytes());
        assert_eq!(
            told,
            format!("uri template `{text}` does not match `{path}`: {reason}")
        );
    }
}
