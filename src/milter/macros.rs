//! Macros: named values that the MTA sends ahead of a command.

use bytes::Bytes;

use super::command::strings;

/// The command for which macros were sent. The order is that of an SMTP session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MacroStage {
    /// `C`
    Connect,
    /// `H`
    Helo,
    /// `M`
    Mail,
    /// `R`
    Rcpt,
    /// `T`
    Data,
    /// `N`, and the macros that Postfix sends before each `L`.
    EndOfHeaders,
    /// `E`, and the macros that Postfix sends before each `B`.
    EndOfMessage,
}

const STAGES: usize = 7;

/// Names and values kept for one stage; what an MTA sends beyond it is dropped.
const MAX_PAIRS: usize = 128;
/// Longest name or value kept, bytes.
const MAX_LENGTH: usize = 8192;

impl MacroStage {
    /// The stage to which macros for a command letter belong; `None` for letters that have none.
    pub fn of_command(code: u8) -> Option<MacroStage> {
        Some(match code {
            b'C' => MacroStage::Connect,
            b'H' => MacroStage::Helo,
            b'M' => MacroStage::Mail,
            b'R' => MacroStage::Rcpt,
            b'T' => MacroStage::Data,
            b'N' | b'L' => MacroStage::EndOfHeaders,
            b'E' | b'B' => MacroStage::EndOfMessage,
            _ => return None,
        })
    }
}

/// All macros in force. A packet replaces those of its stage and forgets those of later stages, so that
/// nothing of one message is seen in the next.
#[derive(Clone, Debug, Default)]
pub struct Macros {
    stages: [Vec<(Bytes, Bytes)>; STAGES],
}

impl Macros {
    /// Takes the data of a `D` packet behind its command letter. An odd last name is ignored. What is kept
    /// is copied: a few bytes that live as long as the session must not hold the whole read buffer.
    pub fn set(&mut self, stage: MacroStage, data: &Bytes) {
        self.forget_from(stage);
        let mut words = strings(data);
        if let Some(slot) = self.stages.get_mut(stage as usize) {
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                if slot.len() == MAX_PAIRS {
                    break;
                }
                if name.len().max(value.len()) <= MAX_LENGTH {
                    slot.push((
                        Bytes::copy_from_slice(bare(&name)),
                        Bytes::copy_from_slice(&value),
                    ));
                }
            }
        }
    }

    /// Forgets the macros of `stage` and of all later ones.
    pub fn forget_from(&mut self, stage: MacroStage) {
        for slot in self.stages.iter_mut().skip(stage as usize) {
            slot.clear();
        }
    }

    /// The newest non-empty value of a macro; `name` without braces.
    pub fn get(&self, name: &str) -> Option<String> {
        self.stages
            .iter()
            .rev()
            .flat_map(|s| s.iter().rev())
            .find(|(n, v)| n == name.as_bytes() && !v.is_empty())
            .map(|(_, v)| String::from_utf8_lossy(v).into_owned())
    }
}

/// Long names come in braces, single letters without; both are stored bare.
fn bare(name: &[u8]) -> &[u8] {
    match name {
        [b'{', inner @ .., b'}'] if !inner.is_empty() => inner,
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(m: &mut Macros, stage: u8, data: &'static [u8]) {
        m.set(
            MacroStage::of_command(stage).unwrap(),
            &Bytes::from_static(data),
        );
    }

    #[test]
    fn newer_stages_win_and_are_forgotten_first() {
        let mut m = Macros::default();
        set(&mut m, b'C', b"j\0mx.example\0");
        set(&mut m, b'M', b"i\0FIRST\0{auth_authen}\0anna\0");
        set(&mut m, b'E', b"i\0LATER\0");
        assert_eq!(m.get("i").as_deref(), Some("LATER"));
        assert_eq!(m.get("auth_authen").as_deref(), Some("anna"));
        set(&mut m, b'M', b"i\0SECOND\0");
        assert_eq!(m.get("i").as_deref(), Some("SECOND"));
        assert_eq!(m.get("auth_authen"), None);
        assert_eq!(m.get("j").as_deref(), Some("mx.example"));
    }

    #[test]
    fn odd_and_empty_lists_are_harmless() {
        let mut m = Macros::default();
        set(&mut m, b'R', b"");
        set(&mut m, b'R', b"alone\0");
        assert_eq!(m.get("alone"), None);
        set(&mut m, b'R', b"{rcpt_addr}\0a@example.org\0odd\0");
        assert_eq!(m.get("rcpt_addr").as_deref(), Some("a@example.org"));
        assert_eq!(MacroStage::of_command(b'U'), None);
    }
}
