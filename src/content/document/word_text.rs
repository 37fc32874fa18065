//! Fields in the text of a Word document in XML: instructions are put together from the runs that they are split over, and
//! from the fields within them.

use super::examination::Examination;
use super::field;
use super::xml::{Event, events};

/// Fields in fields.
const NESTING: usize = 16;
/// Longest instruction, bytes.
const INSTRUCTION_BYTES: usize = 8192;

/// A field that is not at its end.
#[derive(Debug, Default)]
struct Open {
    instruction: String,
    /// Whether what follows is the result, not the instruction.
    result: bool,
}

/// Examines the text of a part.
pub(super) fn examine(xml: &[u8], examination: &mut Examination) {
    let mut fields: Vec<Open> = Vec::new();
    let mut deeper = 0_usize;
    let mut in_instruction = false;
    for event in events(xml) {
        match event {
            Event::Open(tag) => match tag.name.as_str() {
                "fldsimple" => field::examine(&tag.get("instr").unwrap_or_default(), examination),
                "fldchar" => match tag.get("fldchartype").as_deref() {
                    Some("begin") if fields.len() >= NESTING => deeper += 1,
                    Some("begin") => fields.push(Open::default()),
                    Some("separate") => {
                        if let Some(open) = fields.last_mut().filter(|_| deeper == 0) {
                            open.result = true;
                        }
                    }
                    Some("end") if deeper > 0 => deeper -= 1,
                    Some("end") => end(&mut fields, examination),
                    _ => {}
                },
                "instrtext" => in_instruction = !tag.empty,
                _ => {}
            },
            Event::Close(name) if name == "instrtext" => in_instruction = false,
            Event::Text(text) if in_instruction => say(&mut fields, &text),
            _ => {}
        }
    }
    while !fields.is_empty() {
        end(&mut fields, examination);
    }
}

fn say(fields: &mut Vec<Open>, text: &str) {
    if fields.is_empty() {
        fields.push(Open::default());
    }
    if let Some(open) = fields.last_mut().filter(|open| !open.result)
        && open.instruction.len() + text.len() <= INSTRUCTION_BYTES
    {
        open.instruction.push_str(text);
    }
}

/// The innermost field ends; what it stands for belongs to the instruction of the one around it.
fn end(fields: &mut Vec<Open>, examination: &mut Examination) {
    let Some(Open { instruction, .. }) = fields.pop() else {
        return;
    };
    match (field::quoted(&instruction), fields.is_empty()) {
        (Some(text), false) => say(fields, &text),
        _ => field::examine(&instruction, examination),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Bounds;
    use super::super::traits::Trait;
    use super::*;

    fn is_dde(xml: &str) -> bool {
        let mut examination = Examination::new(&Bounds::default());
        examine(xml.as_bytes(), &mut examination);
        examination.has(Trait::Dde)
    }

    #[test]
    fn instructions_split_over_runs_are_put_together() {
        let char = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
        let text = |text: &str| {
            format!("<w:r><w:instrText xml:space='preserve'>{text}</w:instrText></w:r>")
        };
        let quote = format!("{}{}{}", char("begin"), text("QUOTE 68 68 69"), char("end"));
        for (xml, expected) in [
            (
                [
                    char("begin"),
                    text("DD"),
                    text("EAU"),
                    text("TO c:\\x"),
                    char("separate"),
                    char("end"),
                ]
                .concat(),
                true,
            ),
            (
                [char("begin"), quote, text(" c:\\x"), char("end")].concat(),
                true,
            ),
            (text("DDEAUTO x"), true),
            ("<w:fldSimple w:instr=' DDE x y'/>".to_owned(), true),
            (
                [
                    char("begin"),
                    text("PAGE"),
                    char("end"),
                    "<w:t>DDE x</w:t>".to_owned(),
                ]
                .concat(),
                false,
            ),
        ] {
            assert_eq!(is_dde(&xml), expected, "{xml}");
        }
        assert!(!is_dde(&char("begin").repeat(100_000)));
    }
}
