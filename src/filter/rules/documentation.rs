//! docs/rules.md is so: each example loads with its tests, each word of the language is there.

use super::element::Element;
use super::number::Number;
use super::place::Place;
use super::relation::Relation;
use super::ruleset::RuleSet;
use super::schema;
use crate::config::Source;
use crate::mail::Flag;

fn page() -> String {
    read("rules.md")
}

fn read(name: &str) -> String {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The code blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    page.split(&opening)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|l| format!("  {l}\n")).collect()
}

/// The rule files that a block of the page stands for: it is one, or rules, or a condition a line.
fn files(block: &str) -> Vec<String> {
    let rule = |when: &str| {
        format!("version: 1\nrules:\n  - {{ id: A, description: x, score: 1, when: {when} }}\n")
    };
    if block.starts_with("# mailweir.yaml") {
        return Vec::new();
    }
    if block.starts_with("version: 1") {
        return vec![block.to_owned()];
    }
    if block.starts_with("- id:") {
        return vec![format!("version: 1\nrules:\n{}", indented(block))];
    }
    block
        .lines()
        .map(|line| line.split("   #").next().unwrap().trim())
        .filter(|line| !line.is_empty())
        .map(|line| rule(line.strip_prefix("when:").unwrap_or(line)))
        .collect()
}

#[test]
fn every_example_loads_with_its_tests_and_fits_the_schema() {
    let page = page();
    let lists: Vec<Source> = blocks(&page, "text")
        .iter()
        .filter_map(|block| {
            let name = block.lines().next()?.strip_prefix("# ")?;
            Some(Source::new(name, block.as_str()))
        })
        .collect();
    let mut seen = 0;
    let mut tests = 0;
    let attachments = read("attachments.md");
    let all = blocks(&page, "yaml").into_iter();
    for block in all.chain(blocks(&attachments, "yaml")) {
        for file in files(&block) {
            seen += 1;
            tests += file.matches("hit:").count();
            let source = Source::new("docs/rules.md", file.as_str());
            if let Err(problems) = RuleSet::with_lists(&[source], &lists) {
                panic!("{problems}");
            }
            schema::tests::checked(&file).unwrap_or_else(|e| panic!("{file}\n{e}"));
        }
    }
    // The examples in the tables of conditions too.
    for line in page.lines().filter(|l| l.starts_with("| ")) {
        if let Some(when) = line
            .rsplit("| `")
            .next()
            .and_then(|c| c.strip_suffix("` |"))
            && when.starts_with("{ ")
            && !when.contains("rule:")
            && !when.contains("A + 2")
        {
            seen += 1;
            for file in files(when) {
                let source = Source::new("docs/rules.md", file.as_str());
                if let Err(problems) = RuleSet::with_lists(&[source], &lists) {
                    panic!("{problems}");
                }
            }
        }
    }
    assert!(
        seen >= 45 && tests >= 7,
        "{seen} examples, {tests} with tests"
    );
}

#[test]
fn every_word_of_the_language_is_documented() {
    let page = page();
    let relations = Relation::ALL.map(Relation::name);
    let numbers = Number::ALL.map(Number::name);
    let flags = Flag::ALL.iter().map(|f| f.name());
    for name in relations.into_iter().chain(numbers).chain(flags) {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "{name} is not documented"
        );
    }
    for name in Place::names() {
        // The sides of an address are endings of its name.
        let endings = [
            "_mailbox",
            "_name",
            "_local_part",
            "_registered_domain",
            "_domain",
        ];
        let stem = endings
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .filter(|stem| {
                [
                    "from",
                    "to",
                    "cc",
                    "reply_to",
                    "sender",
                    "mail_from",
                    "rcpt_to",
                ]
                .contains(stem)
            });
        let named = [Some(name), stem]
            .iter()
            .flatten()
            .any(|n| page.contains(&format!("`{n}`")));
        assert!(named, "{name} is not documented");
    }
    for element in Element::ALL {
        for (key, _) in element.aspects() {
            assert!(
                page.contains(&format!("`{key}`")),
                "{key} is not documented"
            );
        }
    }
    let schema = schema::rules_schema();
    for pointer in [
        "/$defs/rule/properties",
        "/$defs/header/properties",
        "/$defs/message/properties",
    ] {
        for key in schema.pointer(pointer).unwrap().as_object().unwrap().keys() {
            let written = [format!("`{key}`"), format!("`{key}: "), format!(" {key}: ")];
            assert!(
                written.iter().any(|w| page.contains(w.as_str())),
                "{key} of {pointer} is not documented"
            );
        }
    }
}
