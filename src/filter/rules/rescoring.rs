//! Hits of an earlier evaluation under the points of another set, where the message is not there any more.

use super::RuleSet;
use super::group;
use crate::filter::Hit;

impl RuleSet {
    /// The same hits with the points, the effects and the caps of this set, in the order of its rules. A hit of a rule that
    /// this set does not have, or that is silent in it, is left out. Conditions are not looked at: whether another rule
    /// would have hit can be told from the message alone.
    pub fn rescored(&self, hits: &[Hit]) -> Vec<Hit> {
        let mut kept = Vec::new();
        for rule in self.rules().iter().filter(|rule| !rule.silent) {
            for hit in hits.iter().filter(|hit| hit.rule == rule.id) {
                let points = rule.points(occurrences(&hit.evidence));
                let mut again = Hit::new(rule.id.clone(), points, hit.evidence.as_str());
                if rule.shadow {
                    again.score = 0.0;
                    again.shadow = Some(points);
                } else {
                    again.labels = rule.labels.clone();
                    again.decisive = rule.decisive;
                }
                kept.push((rule.group, again));
            }
        }
        group::cap(&mut kept, self.groups());
        kept.into_iter().map(|(_, hit)| hit).collect()
    }
}

/// How often a rule hit that counts it: the evidence ends in ` (3 times)`.
fn occurrences(evidence: &str) -> usize {
    let count = evidence
        .strip_suffix(" times)")
        .and_then(|rest| rest.rsplit_once(" ("))
        .and_then(|(_, count)| count.parse().ok());
    count.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use crate::config::Source;
    use crate::filter::rules::RuleSet;
    use crate::filter::{Action, Hit};

    fn set(rules: &str) -> RuleSet {
        RuleSet::from_sources(&[Source::new("r.yaml", rules)]).unwrap_or_else(|p| panic!("{p}"))
    }

    #[test]
    fn hits_get_the_points_effects_and_caps_of_the_other_set() {
        let set = set("version: 1
groups:
  - { name: g, description: Together, cap: 4 }
rules:
  - { id: A, description: a, score: 3, group: g, when: { text: 'a' } }
  - { id: B, description: b, score: 2.5, group: g, when: { text: 'b' } }
  - { id: TRIAL, description: c, score: 9, mode: shadow, when: { text: 'c' } }
  - { id: ENDS, description: d, score: 0, decisive: reject, when: { text: 'd' } }
  - { id: OFTEN, description: e, per_occurrence: { score: 0.5, cap: 2 }, when: { text: 'e' } }
");
        let hit = |rule: &str, evidence: &str| Hit::new(rule, 1.0, evidence);
        let hits = [
            hit("OFTEN", "e (3 times)"),
            hit("B", "b"),
            hit("GONE", "x"),
            hit("A", "a"),
            hit("TRIAL", "c"),
            hit("ENDS", "d"),
        ];
        let again = set.rescored(&hits);
        let points: Vec<_> = again.iter().map(|h| (&*h.rule, h.score)).collect();
        assert_eq!(
            points,
            [
                ("A", 3.0),
                ("B", 1.0),
                ("TRIAL", 0.0),
                ("ENDS", 0.0),
                ("OFTEN", 1.5)
            ]
        );
        assert_eq!(again[2].shadow, Some(9.0));
        assert_eq!(again[3].decisive, Some(Action::Reject));
    }
}
