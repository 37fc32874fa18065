//! The message and its envelope, as every filter sees them.
//!
//! In: what the MTA said about the sender and recipients ([`Envelope`]) and the bytes of the message
//! as they arrive ([`Spool`]). Out: [`Mail`], the parsed view. Parsing never fails: damage is
//! recorded as [`Flag`]s, so that rules can score it. This layer knows nothing of filters, of the
//! milter protocol or of verdicts.

mod address;
mod charset;
mod content;
pub mod corpus;
mod element;
mod encoded_word;
mod envelope;
mod flag;
mod flow;
mod header;
mod host;
mod html;
mod line_end;
mod links;
mod markup;
mod mbox;
mod message;
mod mime;
mod nesting;
mod page;
mod real_type;
mod received;
mod safe_html;
mod sight;
mod spool;
mod style;
mod transfer;
mod url;
mod url_part;
mod walk;

pub use address::{Address, Mailbox};
pub(crate) use content::changes_direction;
pub use envelope::{Client, Direction, Envelope, return_path};
pub use flag::Flag;
pub use header::{Header, HeaderField, fields};
pub use line_end::push_with_crlf;
pub use message::{Limits, Mail};
pub use mime::{Part, PartKind, extension};
pub(crate) use real_type::certain_type;
pub use real_type::real_type;
pub use received::Hop;
pub use safe_html::{Removed, SafeHtml, safe_html, safe_text};
pub use spool::{Aborted, Spool};
pub use transfer::{Uuencoded, uuencoded};
pub use url::{Url, registered_domain};
