//! The JSON Schema of rule files (draft 2020-12), made of the same tables that read them.
//!
//! Editors complete and check by it. It knows every key, place and word; what a pattern or a formula holds,
//! and whether a rule or list that is named exists, only loading tells.

use serde_json::{Map, Value, json};

use super::asks;
use super::effect::{DESCRIPTION_BYTES, ID_BYTES, SCORE, WORD_BYTES};
use super::element::Element;
use super::example::REPEATS;
use super::list::NAME_BYTES;
use super::number::{Number, Unit};
use super::pattern::PATTERN_BYTES;
use super::place::{Place, Side};
use super::relation::Relation;
use crate::filter::Action;
use crate::mail::Flag;

/// The schema of a rule file.
pub fn rules_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mailweir rules",
        "description": "A file of rules for mailweir, version 1 of the language.",
        "type": "object",
        "required": ["version", "rules"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1, "description": "Version of the language." },
            "groups": {
                "type": "array",
                "items": { "$ref": "#/$defs/group" },
                "description": "Groups of rules whose points are capped together.",
            },
            "rules": { "type": "array", "items": { "$ref": "#/$defs/rule" } },
        },
        "$defs": {
            "group": group(),
            "rule": rule(),
            "condition": condition(),
            "pattern": {
                "type": "string",
                "minLength": 1,
                "maxLength": PATTERN_BYTES,
                "description": "A regular expression of the Rust regex crate.",
            },
            "texts": texts(json!({ "type": "string", "minLength": 1 })),
            "matcher": { "anyOf": [
                { "$ref": "#/$defs/pattern" },
                { "type": "object", "minProperties": 1, "additionalProperties": false, "properties": matcher() },
            ] },
            "header": of_header(&["name"], &[("name", json!({ "type": "string", "minLength": 1 })),
                ("raw", json!({ "type": "boolean", "description": "As received, not decoded." })),
                ("position", json!({ "$ref": "#/$defs/position" })),
                ("as", named(Side::NAMED.iter().map(|(name, _)| *name)))]),
            "headers": { "anyOf": [
                { "$ref": "#/$defs/pattern" },
                of_header(&[], &[("raw", json!({ "type": "boolean" }))]),
            ] },
            "position": { "anyOf": [
                { "enum": ["first", "last"] },
                { "type": "integer", "not": { "const": 0 } },
            ], "description": "From 1 at the top, from -1 at the bottom." },
            "size": { "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)?$" },
            ] },
            "bounds": bounds(json!({ "$ref": "#/$defs/size" })),
            "number": { "anyOf": [{ "type": "number" }, { "$ref": "#/$defs/size" }] },
            "interval": bounds(json!({ "$ref": "#/$defs/number" })),
            "share": bounds(json!({ "type": "number", "minimum": 0, "maximum": 1 })),
            "example": { "anyOf": [
                { "type": "string", "description": "A fragment that stands in every place of content." },
                { "$ref": "#/$defs/message" },
            ] },
            "message": message(),
            "link": element(Element::Link),
            "part": element(Element::Part),
            "attachment": element(Element::Attachment),
            "received": element(Element::Received),
        },
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

fn named<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    json!({ "enum": names.collect::<Vec<_>>() })
}

/// One text, several, or a list in a file.
fn texts(text: Value) -> Value {
    json!({ "anyOf": [
        text,
        { "type": "array", "items": text, "minItems": 1 },
        object(&["list"], json!({ "list": {
            "type": "string",
            "pattern": format!("^[a-z0-9_-]{{1,{NAME_BYTES}}}$"),
            "description": "The list lists/NAME.txt beside the rule files.",
        } })),
    ] })
}

fn bounds(bound: Value) -> Value {
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": { "at_least": bound, "at_most": bound },
    })
}

fn description() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": DESCRIPTION_BYTES })
}

fn word() -> Value {
    let longest = WORD_BYTES - 1;
    json!({ "type": "string", "pattern": format!("^[a-z][a-z0-9_-]{{0,{longest}}}$") })
}

fn cap() -> Value {
    json!({ "type": "number", "exclusiveMinimum": 0, "maximum": SCORE })
}

fn score() -> Value {
    json!({ "type": "number", "minimum": -SCORE, "maximum": SCORE })
}

fn group() -> Value {
    object(
        &["name", "description", "cap"],
        json!({ "name": word(), "description": description(), "cap": cap() }),
    )
}

fn rule() -> Value {
    let longest = ID_BYTES - 1;
    let actions = [
        Action::Deliver,
        Action::Tag,
        Action::Quarantine,
        Action::Tempfail,
        Action::Discard,
        Action::Reject,
    ];
    let examples = json!({ "type": "array", "items": { "$ref": "#/$defs/example" } });
    object(
        &["id", "description", "when"],
        json!({
            "id": { "type": "string", "pattern": format!("^[A-Z_][A-Z0-9_]{{0,{longest}}}$") },
            "description": description(),
            "score": score(),
            "per_occurrence": {
                "type": "object",
                "additionalProperties": false,
                "description": "Points for each occurrence instead of one score.",
                "properties": {
                    "score": score(),
                    "cap": cap(),
                    "at_most": { "type": "integer", "minimum": 1 },
                },
            },
            "group": word(),
            "silent": { "type": "boolean", "description": "Reports no hit and only serves other rules." },
            "decisive": named(actions.iter().map(|a| a.name())),
            "labels": texts(word()),
            "mode": { "enum": ["live", "shadow"], "description": "A rule in shadow mode is shown and counted, and weighs nothing." },
            "expires": {
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
                "description": "The last day on which the rule is on, in UTC.",
            },
            "recipients": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": false,
                "description": "For whose mail the rule is on: recipient domains with their subdomains.",
                "properties": {
                    "only": { "$ref": "#/$defs/texts" },
                    "except": { "$ref": "#/$defs/texts" },
                    "of_several": { "enum": ["all", "any"] },
                },
            },
            "when": { "$ref": "#/$defs/condition" },
            "tests": object(&[], json!({ "hit": examples, "miss": examples })),
        }),
    )
}

fn condition() -> Value {
    let nested = json!({ "$ref": "#/$defs/condition" });
    let several = json!({ "type": "array", "items": nested, "minItems": 1 });
    let mut keys = Map::new();
    let mut add = |name: &str, schema: Value| {
        keys.insert(name.to_owned(), schema);
    };
    add("all", several.clone());
    add("any", several.clone());
    add("not", nested);
    add(
        "at_least",
        object(
            &["count", "of"],
            json!({ "count": { "type": "integer", "minimum": 1 }, "of": several }),
        ),
    );
    add(
        "rule",
        json!({ "type": "string", "description": "Id of another rule." }),
    );
    add(
        "formula",
        json!({ "type": "string", "description": "Arithmetic over hits: 'A + 2 * B > 3'." }),
    );
    add("flag", texts(named(Flag::ALL.iter().map(|f| f.name()))));
    add("relation", named(Relation::ALL.iter().map(|r| r.name())));
    add("client", json!({ "$ref": "#/$defs/texts" }));
    add("authenticated", json!({ "type": "boolean" }));
    add("header", json!({ "$ref": "#/$defs/header" }));
    add("headers", json!({ "$ref": "#/$defs/headers" }));
    for name in ["sa_header", "sa_mime_header"] {
        let field =
            json!({ "type": "string", "description": "A field, with modifiers such as :addr." });
        add(name, of_header(&["name"], &[("name", field)]));
    }
    for name in Place::names() {
        add(name, json!({ "$ref": "#/$defs/matcher" }));
    }
    for element in Element::ALL {
        add(
            element.name(),
            json!({ "$ref": format!("#/$defs/{}", element.name()) }),
        );
    }
    for number in Number::ALL {
        let bounds = match number.unit() {
            Unit::Share => "share",
            _ => "interval",
        };
        add(
            number.name(),
            json!({ "$ref": format!("#/$defs/{bounds}"), "description": number.meaning() }),
        );
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": keys,
    })
}

/// The keys of every matcher.
fn matcher() -> Map<String, Value> {
    let texts = json!({ "$ref": "#/$defs/texts" });
    let bounds = json!({ "$ref": "#/$defs/bounds" });
    let keys = [
        ("matches", json!({ "$ref": "#/$defs/pattern" })),
        ("engine", json!({ "enum": ["linear", "backtracking"] })),
        ("contains", texts.clone()),
        ("equals", texts.clone()),
        ("words", texts.clone()),
        ("domains", texts.clone()),
        ("networks", texts.clone()),
        ("sha256", texts),
        ("number", json!({ "$ref": "#/$defs/interval" })),
        ("ignore_case", json!({ "type": "boolean" })),
        ("length", bounds.clone()),
        ("exists", json!({ "type": "boolean" })),
        ("occurrences", bounds.clone()),
        ("count", bounds),
    ];
    keys.into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

fn of_header(required: &[&str], more: &[(&str, Value)]) -> Value {
    let mut keys = matcher();
    for (name, schema) in more {
        keys.insert((*name).to_owned(), schema.clone());
    }
    object(required, Value::Object(keys))
}

fn element(element: Element) -> Value {
    let mut keys = Map::new();
    for (name, _) in element.aspects() {
        keys.insert((*name).to_owned(), json!({ "$ref": "#/$defs/matcher" }));
    }
    for key in asks::KEYS {
        let schema = match key {
            "size" if !element.has_size() => continue,
            "position" => json!({ "$ref": "#/$defs/position" }),
            "not" => json!({ "$ref": format!("#/$defs/{}", element.name()) }),
            _ => json!({ "$ref": "#/$defs/bounds" }),
        };
        keys.insert(key.to_owned(), schema);
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": false,
        "properties": keys,
    })
}

/// The message of a test.
fn message() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": text });
    let mut keys = Map::new();
    for name in [
        "message",
        "subject",
        "from",
        "to",
        "cc",
        "reply_to",
        "sender",
        "text",
        "html",
        "mail_from",
        "helo",
        "client",
        "client_name",
        "authenticated",
        "tls",
    ] {
        keys.insert(name.to_owned(), text.clone());
    }
    for name in ["received", "headers", "without", "rcpt_to"] {
        keys.insert(name.to_owned(), texts.clone());
    }
    keys.insert(
        "repeat".to_owned(),
        json!({ "type": "integer", "minimum": 1, "maximum": REPEATS }),
    );
    let attachment = object(
        &[],
        json!({ "name": text, "type": text, "content": text, "base64": text }),
    );
    keys.insert(
        "attachments".to_owned(),
        json!({ "type": "array", "items": attachment }),
    );
    object(&[], Value::Object(keys))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;

    use super::super::compile::CLAUSES;
    use super::super::written;
    use super::*;
    use crate::config::{Source, parse_yaml};

    /// As much of JSON Schema as the schema uses. `Err`: the path and what is wrong there.
    fn validate(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {value}"));
        for (keyword, wanted) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$ref" => {
                    let path = wanted.as_str().unwrap().trim_start_matches('#');
                    validate(root, root.pointer(path).unwrap(), value)?;
                }
                "type" => {
                    let fits = match wanted.as_str().unwrap() {
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "boolean" => value.is_boolean(),
                        "integer" => value.is_i64() || value.is_u64(),
                        "number" => value.is_number(),
                        other => panic!("type {other}"),
                    };
                    if !fits {
                        return wrong(&format!("not of type {wanted}"));
                    }
                }
                "const" if value != wanted => return wrong("not the constant"),
                "not" if validate(root, wanted, value).is_ok() => return wrong("excluded"),
                "enum" if !wanted.as_array().unwrap().contains(value) => {
                    return wrong("none of the words");
                }
                "anyOf" => {
                    let tried: Vec<_> = wanted
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|s| validate(root, s, value))
                        .collect();
                    if !tried.iter().any(Result::is_ok) {
                        return Err(format!("{tried:?}"));
                    }
                }
                "required" => {
                    for key in wanted.as_array().unwrap() {
                        if value.get(key.as_str().unwrap()).is_none() {
                            return wrong(&format!("{key} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (key, inner) in value.as_object().into_iter().flatten() {
                        match wanted.get(key) {
                            Some(schema) => {
                                validate(root, schema, inner).map_err(|e| format!("{key}: {e}"))?
                            }
                            None => return wrong(&format!("unknown key {key}")),
                        }
                    }
                }
                "items" => {
                    for inner in value.as_array().into_iter().flatten() {
                        validate(root, wanted, inner)?;
                    }
                }
                "minItems" | "minProperties" | "minLength" => {
                    let len = match value {
                        Value::Array(items) => items.len(),
                        Value::Object(keys) => keys.len(),
                        Value::String(text) => text.chars().count(),
                        _ => continue,
                    };
                    if (len as u64) < wanted.as_u64().unwrap() {
                        return wrong("too short");
                    }
                }
                "maxLength"
                    if value
                        .as_str()
                        .is_some_and(|t| t.chars().count() as u64 > wanted.as_u64().unwrap()) =>
                {
                    return wrong("too long");
                }
                "pattern" => {
                    let pattern = regex::Regex::new(wanted.as_str().unwrap()).unwrap();
                    if value.as_str().is_some_and(|t| !pattern.is_match(t)) {
                        return wrong("does not match");
                    }
                }
                "minimum" if value.as_f64() < wanted.as_f64() => return wrong("too small"),
                "exclusiveMinimum" if value.as_f64() <= wanted.as_f64() => {
                    return wrong("too small");
                }
                "maximum" if value.as_f64() > wanted.as_f64() => return wrong("too large"),
                "const"
                | "not"
                | "enum"
                | "maxLength"
                | "minimum"
                | "exclusiveMinimum"
                | "maximum"
                | "description"
                | "title"
                | "$schema"
                | "$defs"
                | "additionalProperties" => {}
                other => panic!("keyword {other}"),
            }
        }
        Ok(())
    }

    /// What the schema says of a rule file.
    pub(in super::super) fn checked(text: &str) -> Result<(), String> {
        let value: Value = parse_yaml(&Source::new("a.yaml", text)).unwrap();
        let schema = rules_schema();
        validate(&schema, &schema, &value)
    }

    #[test]
    fn every_shipped_rule_file_is_valid() {
        for (name, text) in super::super::shipped::FILES {
            checked(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }

    #[test]
    fn what_is_refused_at_load_is_mostly_refused_by_the_schema() {
        let rule = |more: &str| {
            format!("version: 1\nrules:\n  - {{ id: A, description: x, score: 1, {more} }}\n")
        };
        checked(&rule("when: { subject: a }")).unwrap();
        for more in [
            "when: {}",
            "when: { subjct: a }",
            "when: { subject: {} }",
            "when: { all: [] }",
            "when: { relation: nonsense }",
            "when: { header: { matches: a } }",
            "when: { subject_upper_ratio: { at_least: 2 } }",
            "when: { link: { type: a } }",
            "when: { received: { position: 0 } }",
            "when: { subject: a }, mode: off",
            "when: { subject: a }, decisive: maybe",
            "when: { subject: a }, expires: tomorrow",
            "when: { subject: a }, tests: { hits: [] }",
        ] {
            assert!(checked(&rule(more)).is_err(), "{more}");
        }
    }

    /// What serde knows, from its own words.
    fn known<T: DeserializeOwned>(text: &str) -> BTreeSet<String> {
        let Err(problem) = parse_yaml::<T>(&Source::new("a", text)) else {
            panic!("{text} is taken")
        };
        let help = problem.help.unwrap();
        let (_, list) = help.split_once("known here: ").unwrap();
        list.split(", ").map(str::to_owned).collect()
    }

    fn keys(pointer: &str) -> BTreeSet<String> {
        let schema = rules_schema();
        let object = schema.pointer(pointer).unwrap().as_object().unwrap();
        object.keys().cloned().collect()
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read_and_no_others() {
        let no = "{ no_such_key: 1 }";
        assert_eq!(known::<written::File>(no), keys("/properties"));
        assert_eq!(known::<written::Group>(no), keys("/$defs/group/properties"));
        assert_eq!(known::<written::Rule>(no), keys("/$defs/rule/properties"));
        assert_eq!(
            known::<written::Message>(no),
            keys("/$defs/message/properties")
        );
        assert_eq!(known::<written::Keys>(no), keys("/$defs/header/properties"));
        assert_eq!(
            known::<written::PerOccurrence>(no),
            keys("/$defs/rule/properties/per_occurrence/properties")
        );
        assert_eq!(
            known::<written::Recipients>(no),
            keys("/$defs/rule/properties/recipients/properties")
        );
        assert_eq!(
            known::<written::Attachment>(no),
            keys("/$defs/message/properties/attachments/items/properties")
        );
        let conditions: BTreeSet<String> = CLAUSES
            .iter()
            .copied()
            .chain(Place::names())
            .chain(Element::ALL.map(Element::name))
            .chain(Number::ALL.map(Number::name))
            .map(str::to_owned)
            .collect();
        assert_eq!(conditions, keys("/$defs/condition/properties"));
    }
}
