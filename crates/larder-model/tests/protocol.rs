//! What CI asks of the model: the protocol holds in every situation, and every planted mistake is found.

use std::io::Write;

use larder_model::{
    CI_LIMIT, Mistake, Situation, Variant, Verdict, alternatives, explore, limits, mistakes,
    situations, unexpressed,
};

/// The groups of situations, in as many tests, so that they run beside each other.
const GROUPS: &[&[&str]] = &[READS, LOADS, VERSIONS, PLACEHOLDERS, LINKS, DISTRUST];
const READS: &[&str] = &["promote", "grain", "sets", "echo", "life"];
const LOADS: &[&str] = &["load", "refresh", "wait"];
const VERSIONS: &[&str] = &["tag", "clear", "both", "flushall"];
const PLACEHOLDERS: &[&str] = &["placeholder"];
const LINKS: &[&str] = &["link", "failover", "writers"];
const DISTRUST: &[&str] = &["bypass", "serve"];

/// The most states in which a mistake has to be found.
const PATIENCE: usize = 3_000_000;

fn is_of(situation: &Situation, groups: &[&str]) -> bool {
    let (group, _) = situation.name().split_once('/').expect("group/situation");
    groups.contains(&group)
}

fn named(name: &str) -> Situation {
    let mut all = situations().into_iter();
    let found = all.find(|situation| situation.name() == name);
    found.unwrap_or_else(|| panic!("no situation is named {name}"))
}

/// A line that is seen although the test passes: what was not explored to the end is never silent.
fn tell(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").expect("standard error can be written");
}

/// The situation holds under the variant, as far as CI goes.
fn assert_holds(situation: &Situation, variant: &Variant, what: &str) {
    let outcome = explore(situation, variant, Some(CI_LIMIT));
    let name = situation.name();
    match &outcome.verdict {
        Verdict::Holds => {}
        Verdict::Stopped => tell(&format!("{name}: {outcome}{what}")),
        Verdict::Broken(_, trace) => {
            panic!("{name}{what}: {outcome}\n{}", trace.join("\n"));
        }
    }
}

fn assert_group_holds(groups: &[&str]) {
    let accepted = limits();
    for situation in situations() {
        let name = situation.name();
        if is_of(&situation, groups) && accepted.iter().all(|limit| limit.situation != name) {
            assert_holds(&situation, &Variant::default(), "");
        }
    }
}

fn assert_found(mistake: &Mistake) {
    let Mistake {
        code,
        what,
        situation,
        breaks,
        ..
    } = mistake;
    let outcome = explore(&named(situation), &mistake.variant(), Some(PATIENCE));
    match &outcome.verdict {
        Verdict::Broken(breach, trace) => assert_eq!(
            breach.promise,
            *breaks,
            "{code}, {what}, in {situation} breaks another promise: {breach}\n{}",
            trace.join("\n")
        ),
        Verdict::Holds | Verdict::Stopped => {
            panic!("{code}, {what}, is not found in {situation}: {outcome}")
        }
    }
}

#[test]
fn reads_and_writes_hold() {
    assert_group_holds(READS);
}

#[test]
fn loads_hold() {
    assert_group_holds(LOADS);
}

#[test]
fn versions_hold() {
    assert_group_holds(VERSIONS);
}

#[test]
fn placeholders_hold() {
    assert_group_holds(PLACEHOLDERS);
}

#[test]
fn links_hold() {
    assert_group_holds(LINKS);
}

#[test]
fn distrust_holds() {
    assert_group_holds(DISTRUST);
}

#[test]
fn every_situation_is_in_one_group() {
    for situation in situations() {
        let groups = GROUPS.iter().filter(|groups| is_of(&situation, groups));
        assert_eq!(groups.count(), 1, "{}", situation.name());
    }
}

#[test]
fn every_planted_mistake_is_found() {
    for mistake in mistakes() {
        assert_found(&mistake);
    }
}

#[test]
fn the_accepted_limits_are_limits_still() {
    for limit in limits() {
        assert_found(&limit);
    }
}

#[test]
fn choices_that_are_as_safe_hold() {
    for choice in alternatives() {
        for name in choice.situations {
            let what = format!(" where {}", choice.what);
            assert_holds(&named(name), &choice.variant(), &what);
        }
    }
}

#[test]
fn no_mistake_of_the_lists_is_forgotten() {
    let known: Vec<&str> = [mistakes(), limits()]
        .concat()
        .iter()
        .map(|mistake| mistake.code)
        .chain(unexpressed().iter().map(|row| row.code))
        .collect();
    for (letter, last) in [("U", 56), ("H", 17), ("D", 12)] {
        for number in 1..=last {
            let code = format!("{letter}{number}");
            assert!(
                known.contains(&code.as_str()),
                "{code} is neither planted nor explained"
            );
        }
    }
}

#[test]
fn the_page_names_every_mistake() {
    let page = include_str!("../../../docs/model.md");
    for mistake in [mistakes(), limits()].concat() {
        let code = mistake.code;
        let named = page
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '.')
            .any(|word| word.trim_end_matches('.') == code);
        assert!(named, "docs/model.md doesn't name {code}: {}", mistake.what);
    }
}

#[test]
fn an_exploration_repeats_itself() {
    let mistake = &mistakes()[0];
    let once = || {
        let outcome = explore(&named(mistake.situation), &mistake.variant(), None);
        let Verdict::Broken(_, trace) = outcome.verdict else {
            panic!("{} is not found", mistake.code);
        };
        (outcome.states, outcome.depth, trace)
    };
    assert_eq!(once(), once());
}

#[test]
fn what_is_left_at_the_limit_is_said() {
    let outcome = explore(&named("load/own-del"), &Variant::default(), Some(100));
    assert!(matches!(outcome.verdict, Verdict::Stopped));
    let said = outcome.to_string();
    assert!(said.starts_with("no violation within 1"), "{said}");
}
