//! The schema against what is read: neither knows a key that the other does not.

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
