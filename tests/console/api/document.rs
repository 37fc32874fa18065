//! The document of the API, and what it says of an answer.

use serde_json::{Value, json};

use super::harness::Api;
use crate::client::Answer;

/// What the document says.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn of(api: &Api) -> Document {
        let answer = api.ask("viewer", "GET", "/api/v1/openapi.json", b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        Document(serde_json::from_str(&answer.body).unwrap())
    }

    /// Path, method and operation, each.
    pub(crate) fn operations(&self) -> Vec<(String, &'static str, &Value)> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = match method.as_str() {
                    "get" => "GET",
                    "post" => "POST",
                    "put" => "PUT",
                    "delete" => "DELETE",
                    other => panic!("{other}"),
                };
                all.push((path.clone(), method, operation));
            }
        }
        assert!(all.len() >= 35);
        all
    }

    /// Holds an answer against what is documented for it.
    pub(crate) fn hold(&self, operation: &Value, answer: &Answer) {
        let name = operation["operationId"].as_str().unwrap();
        let responses = &operation["responses"];
        let documented = match responses.get(answer.status.to_string()) {
            Some(response) => response,
            None => panic!("{name}: {} is not documented: {answer:?}", answer.status),
        };
        let documented = match documented.get("$ref") {
            Some(name) => self.named(name),
            None => documented,
        };
        let Some(content) = documented.get("content") else {
            assert_eq!(answer.body, "", "{name}");
            return;
        };
        let kind = answer.field("content-type").unwrap_or_default();
        let schema = content
            .get(kind)
            .unwrap_or_else(|| panic!("{name}: {kind} is not documented: {answer:?}"));
        if kind.ends_with("json") {
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            self.fits(&schema["schema"], &body, name);
        }
    }

    /// What a reference leads to.
    fn named(&self, reference: &Value) -> &Value {
        let name = reference.as_str().unwrap().strip_prefix('#').unwrap();
        self.0.pointer(name).unwrap_or_else(|| panic!("{name}"))
    }

    /// The part of JSON Schema that the document uses.
    fn fits(&self, schema: &Value, value: &Value, place: &str) {
        for key in schema.as_object().unwrap().keys() {
            let known = [
                "$ref",
                "type",
                "enum",
                "properties",
                "required",
                "additionalProperties",
                "items",
                "description",
                "format",
            ];
            assert!(
                known.contains(&key.as_str()),
                "{place}: this test does not know {key}"
            );
        }
        if let Some(name) = schema.get("$ref") {
            return self.fits(self.named(name), value, place);
        }
        let kinds = match &schema["type"] {
            Value::String(kind) => vec![kind.as_str()],
            kinds => kinds
                .as_array()
                .unwrap()
                .iter()
                .map(|k| k.as_str().unwrap())
                .collect(),
        };
        let is = |kind: &&str| match *kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            "null" => value.is_null(),
            other => panic!("{other}"),
        };
        assert!(kinds.iter().any(is), "{place}: {value} is no {kinds:?}");
        if let Some(values) = schema.get("enum") {
            assert!(
                values.as_array().unwrap().contains(value),
                "{place}: {value} is none of {values}"
            );
        }
        if let Some(items) = value.as_array() {
            for (i, item) in items.iter().enumerate() {
                self.fits(&schema["items"], item, &format!("{place}[{i}]"));
            }
        }
        let Some(object) = value.as_object() else {
            return;
        };
        for name in schema["required"].as_array().unwrap_or(&Vec::new()) {
            assert!(
                object.contains_key(name.as_str().unwrap()),
                "{place}: {name} is missing in {value}"
            );
        }
        for (name, value) in object {
            match schema["properties"].get(name) {
                Some(schema) => self.fits(schema, value, &format!("{place}.{name}")),
                None => assert_ne!(
                    schema["additionalProperties"],
                    json!(false),
                    "{place}: {name} is not documented"
                ),
            }
        }
    }
}
