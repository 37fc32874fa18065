//! The names that `header` and `mimeheader` rules give: of which fields, and which part of each.

/// A field name with its modifiers, `From:addr`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FieldView {
    pub(super) name: String,
    pub(super) source: Source,
    pub(super) raw: bool,
    pub(super) part: Part,
    pub(super) pick: Pick,
}

/// Which fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// Those of the name.
    Named,
    /// The whole header.
    All,
    MessageIds,
    EnvelopeFrom,
    Untrusted,
    Trusted,
    Unparseable,
    /// The header from the first hop on that is not trusted.
    BehindTrusted,
    ToAndCc,
}

impl Source {
    fn of(name: &str) -> Source {
        match name {
            "ALL" => return Source::All,
            "MESSAGEID" => return Source::MessageIds,
            _ => {}
        }
        match name.to_ascii_lowercase().as_str() {
            "envelopefrom" => Source::EnvelopeFrom,
            // Without networks of the site, what is trusted is internal.
            "x-spam-relays-untrusted" | "x-spam-relays-external" => Source::Untrusted,
            "x-spam-relays-trusted" | "x-spam-relays-internal" => Source::Trusted,
            "x-spam-relays-unparseable" => Source::Unparseable,
            "all-external" | "all-untrusted" => Source::BehindTrusted,
            "tocc" => Source::ToAndCc,
            _ => Source::Named,
        }
    }
}

/// Which part of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Whole,
    Address,
    Name,
    /// Host, of the address where `:addr` stands with it.
    Host {
        address: bool,
    },
    Domain {
        address: bool,
    },
    Ip {
        reversed: bool,
    },
}

/// Which of several fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pick {
    All,
    First,
    Last,
}

impl FieldView {
    /// Reads a name with modifiers; `None` when it is none.
    pub(crate) fn parse(written: &str) -> Option<FieldView> {
        let mut pieces = written.split(':');
        let name = pieces.next()?;
        let well_formed = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if name.is_empty() || name.len() > 100 || !name.bytes().all(well_formed) {
            return None;
        }
        let mut view = FieldView {
            source: Source::of(name),
            name: name.to_owned(),
            raw: false,
            part: Part::Whole,
            pick: Pick::All,
        };
        let mut address = false;
        for modifier in pieces {
            match modifier {
                "raw" => view.raw = true,
                "addr" => address = true,
                "name" => view.part = Part::Name,
                "host" => view.part = Part::Host { address: false },
                "domain" => view.part = Part::Domain { address: false },
                "ip" => view.part = Part::Ip { reversed: false },
                "revip" => view.part = Part::Ip { reversed: true },
                "first" => view.pick = Pick::First,
                "last" => view.pick = Pick::Last,
                _ => return None,
            }
        }
        if address {
            view.part = match view.part {
                Part::Host { .. } => Part::Host { address },
                Part::Domain { .. } => Part::Domain { address },
                Part::Ip { reversed } => Part::Ip { reversed },
                _ => Part::Address,
            };
        }
        Some(view)
    }

    /// The name without modifiers.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
