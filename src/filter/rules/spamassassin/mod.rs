//! A message as SpamAssassin 4 shows it to its rules, so that imported rules hit what they hit there.
//!
//! In: the raw message and its envelope. Out: the texts of a [`View`], as bytes. Nothing else in mailweir reads
//! messages this way: SpamAssassin's reading of MIME, HTML, white space, addresses and URLs differs in many
//! small points from the one in `crate::mail`, and patterns written for it depend on them.
//!
//! Followed is what SpamAssassin 4.0 does with its default settings (`normalize_charset 1`,
//! `body_part_scan_size 50000`, `rawbody_part_scan_size 500000`, no `trusted_networks`), found in its
//! documentation and by comparison, message by message. Limits: the same as there, 1,000 parts and 20 messages in
//! messages. Parsing is linear in the size of the message and does not recurse over it.

mod address;
mod body;
mod charset;
mod content_type;
mod domain;
mod entity;
mod field;
mod header;
mod html;
mod html_tag;
mod message;
mod part;
mod received;
mod relay;
mod relay_format;
mod transfer;
mod uri;
mod uri_canonical;
mod uri_found;
mod uri_relative;

use std::borrow::Cow;

pub(super) use header::FieldView;
pub(super) use message::Message;

use crate::mail::Envelope;

/// What SpamAssassin's rules of one kind look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum View {
    /// `body`: subject and rendered text, a line for each paragraph.
    Body,
    /// The same without the subject: `tflags nosubject`.
    BodyText,
    /// `rawbody`: text parts, transfer encoding undone, in pieces of 2 to 4 KiB.
    RawBody,
    /// `uri`: each URI as found and in its canonical forms.
    Uri,
    /// `full`: the message as it is, line ends LF.
    Full,
    /// `header`: the fields of one name as one text.
    Header(FieldView),
    /// `mimeheader`: the fields of one name in each MIME part.
    MimeHeader(FieldView),
}

impl View {
    /// The texts of the view.
    pub(super) fn texts<'a>(
        &self,
        message: &Message<'a>,
        envelope: &Envelope,
    ) -> Vec<Cow<'a, [u8]>> {
        match self {
            View::Body => owned(message.body()),
            View::BodyText => owned(message.body().get(1..).unwrap_or_default()),
            View::RawBody => owned(&body::raw(message)),
            View::Uri => owned(message.uris()),
            View::Full => vec![message.whole.clone()],
            View::Header(field) => header::text(field, message, envelope)
                .map(Cow::Owned)
                .into_iter()
                .collect(),
            View::MimeHeader(field) => owned(&header::of_parts(field, message)),
        }
    }
}

fn owned<'a>(texts: &[Vec<u8>]) -> Vec<Cow<'a, [u8]>> {
    texts.iter().map(|t| Cow::Owned(t.clone())).collect()
}
