//! Things that a message has several of, of which a condition asks several things at once: links, MIME
//! parts, attachments, files, Received fields, DKIM signatures.
//!
//! Each aspect of an element is a text, several, or absent. Places such as `url_host` are one aspect of all elements;
//! a condition such as `link: { host: ..., path: ... }` holds when one element satisfies all of it.

use std::borrow::Cow;

use super::digests;
use super::fold::fold;
use super::known::results_of_dkim;
use crate::auth::dkim::Dkim;
use crate::content::document::Trait;
use crate::content::{Content, File, FileFlag, Kind};
use crate::mail::{Hop, Part, PartKind, Url, extension};

/// How much of a part `start` shows, bytes.
const START_BYTES: usize = 1 << 10;

/// A kind of element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    Link,
    Part,
    Attachment,
    /// Attachments, and what containers among them hold.
    File,
    Received,
    /// DKIM signatures, as the filter `auth` found them.
    Signature,
}

/// One thing that can be asked of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Aspect {
    Url,
    Scheme,
    Userinfo,
    Host,
    RegisteredDomain,
    Port,
    Path,
    Query,
    LinkText,
    Type,
    Charset,
    Disposition,
    FileName,
    Extension,
    Start,
    Sha256,
    RealType,
    FilePath,
    Extensions,
    Container,
    FileDepth,
    FileFlag,
    Trait,
    FileUrl,
    Helo,
    ClientName,
    Address,
    By,
    With,
    Id,
    For,
    Result,
    SigningDomain,
    Selector,
}

const LINK: &[(&str, Aspect)] = &[
    ("url", Aspect::Url),
    ("scheme", Aspect::Scheme),
    ("userinfo", Aspect::Userinfo),
    ("host", Aspect::Host),
    ("registered_domain", Aspect::RegisteredDomain),
    ("port", Aspect::Port),
    ("path", Aspect::Path),
    ("query", Aspect::Query),
    ("text", Aspect::LinkText),
];
const PART: &[(&str, Aspect)] = &[
    ("type", Aspect::Type),
    ("charset", Aspect::Charset),
    ("disposition", Aspect::Disposition),
    ("name", Aspect::FileName),
    ("extension", Aspect::Extension),
    ("start", Aspect::Start),
    ("sha256", Aspect::Sha256),
    ("real_type", Aspect::RealType),
];
const FILE: &[(&str, Aspect)] = &[
    ("name", Aspect::FileName),
    ("path", Aspect::FilePath),
    ("extension", Aspect::Extension),
    ("extensions", Aspect::Extensions),
    ("type", Aspect::Type),
    ("real_type", Aspect::RealType),
    ("container", Aspect::Container),
    ("depth", Aspect::FileDepth),
    ("sha256", Aspect::Sha256),
    ("flag", Aspect::FileFlag),
    ("trait", Aspect::Trait),
    ("url", Aspect::FileUrl),
];
const RECEIVED: &[(&str, Aspect)] = &[
    ("helo", Aspect::Helo),
    ("name", Aspect::ClientName),
    ("address", Aspect::Address),
    ("by", Aspect::By),
    ("with", Aspect::With),
    ("id", Aspect::Id),
    ("for", Aspect::For),
];
const SIGNATURE: &[(&str, Aspect)] = &[
    ("result", Aspect::Result),
    ("domain", Aspect::SigningDomain),
    ("selector", Aspect::Selector),
];

impl Element {
    /// Every kind.
    pub(super) const ALL: [Element; 6] = [
        Element::Link,
        Element::Part,
        Element::Attachment,
        Element::File,
        Element::Received,
        Element::Signature,
    ];

    /// The name of the condition.
    pub(super) fn name(self) -> &'static str {
        match self {
            Element::Link => "link",
            Element::Part => "part",
            Element::Attachment => "attachment",
            Element::File => "file",
            Element::Received => "received",
            Element::Signature => "auth_dkim",
        }
    }

    /// The kind of that name.
    pub(super) fn named(name: &str) -> Option<Element> {
        Element::ALL.into_iter().find(|e| e.name() == name)
    }

    /// What can be asked, by the keys of the condition.
    pub(super) fn aspects(self) -> &'static [(&'static str, Aspect)] {
        match self {
            Element::Link => LINK,
            Element::Part | Element::Attachment => PART,
            Element::File => FILE,
            Element::Received => RECEIVED,
            Element::Signature => SIGNATURE,
        }
    }

    /// Whether its elements have a size.
    pub(super) fn has_size(self) -> bool {
        matches!(self, Element::Part | Element::Attachment | Element::File)
    }
}

impl Aspect {
    /// Whether it is what a person wrote or reads: a fragment of a test stands here.
    pub(super) fn is_content(self) -> bool {
        matches!(
            self,
            Aspect::Url
                | Aspect::Host
                | Aspect::RegisteredDomain
                | Aspect::Path
                | Aspect::Query
                | Aspect::LinkText
                | Aspect::FileName
        )
    }

    /// The only words that it can be, if there are such.
    pub(super) fn words(self) -> Option<Vec<&'static str>> {
        match self {
            Aspect::FileFlag => Some(FileFlag::ALL.iter().map(|f| f.name()).collect()),
            Aspect::Trait => Some(Trait::ALL.iter().map(|t| t.name()).collect()),
            Aspect::Result => Some(results_of_dkim()),
            Aspect::Container => Some(Kind::ALL.iter().map(|k| k.name()).collect()),
            _ => None,
        }
    }

    /// Whether it is a domain.
    pub(super) fn holds_domains(self) -> bool {
        matches!(
            self,
            Aspect::Host
                | Aspect::RegisteredDomain
                | Aspect::Helo
                | Aspect::ClientName
                | Aspect::By
                | Aspect::For
                | Aspect::SigningDomain
        )
    }

    /// Whether it may be an IP address.
    pub(super) fn holds_addresses(self) -> bool {
        matches!(
            self,
            Aspect::Host | Aspect::Address | Aspect::Helo | Aspect::By
        )
    }
}

/// The elements of one kind of one message.
pub(super) enum Elements<'a> {
    Links(&'a [Url]),
    Parts(Vec<&'a Part>),
    Hops(&'a [Hop]),
    Files(&'a Content),
    Signatures(&'a [Dkim]),
    /// A fragment of a test: one element of which every aspect of content is that text.
    Fragment(&'a str),
}

impl<'a> Elements<'a> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Elements::Links(links) => links.len(),
            Elements::Parts(parts) => parts.len(),
            Elements::Hops(hops) => hops.len(),
            Elements::Files(content) => content.files.len(),
            Elements::Signatures(signatures) => signatures.len(),
            Elements::Fragment(_) => 1,
        }
    }

    /// Size in bytes of an element that has one.
    pub(super) fn size(&self, number: usize) -> Option<usize> {
        match self {
            Elements::Parts(parts) => parts.get(number).map(|p| p.size),
            Elements::Files(content) => {
                let size = content.files.get(number)?.size;
                Some(usize::try_from(size).unwrap_or(usize::MAX))
            }
            _ => None,
        }
    }

    /// What an element is called, for evidence that shows only one of its aspects.
    pub(super) fn title(&self, number: usize) -> Option<&'a str> {
        match self {
            Elements::Files(content) => content.files.get(number).map(|f| f.path.as_str()),
            _ => None,
        }
    }

    /// The texts of an aspect of one element; none when it has none.
    pub(super) fn texts(
        &self,
        number: usize,
        aspect: Aspect,
    ) -> impl Iterator<Item = Cow<'a, [u8]>> + '_ {
        (0..).map_while(move |which| self.text(number, aspect, which))
    }

    fn text(&self, number: usize, aspect: Aspect, which: usize) -> Option<Cow<'a, [u8]>> {
        if let Elements::Files(content) = self {
            return of_file(content, content.files.get(number)?, aspect, which);
        }
        // Other elements have one text of each.
        if which > 0 {
            return None;
        }
        match self {
            Elements::Files(_) => None,
            Elements::Links(links) => of_link(links.get(number)?, aspect),
            Elements::Parts(parts) => of_part(parts.get(number)?, aspect),
            Elements::Hops(hops) => of_hop(hops.get(number)?, aspect).map(owned),
            Elements::Signatures(signatures) => of_signature(signatures.get(number)?, aspect),
            Elements::Fragment(text) => aspect
                .is_content()
                .then_some(Cow::Borrowed(text.as_bytes())),
        }
    }
}

fn of_signature(signature: &Dkim, aspect: Aspect) -> Option<Cow<'_, [u8]>> {
    let text = match aspect {
        Aspect::Result => signature.result.name(),
        Aspect::SigningDomain => signature.domain.as_str(),
        Aspect::Selector => signature.selector.as_str(),
        _ => return None,
    };
    (!text.is_empty()).then_some(Cow::Borrowed(text.as_bytes()))
}

fn of_link(url: &Url, aspect: Aspect) -> Option<Cow<'_, [u8]>> {
    let text = match aspect {
        Aspect::Url => url.text.as_str(),
        Aspect::Scheme => return Some(owned(url.scheme().to_ascii_lowercase())),
        Aspect::Userinfo => url.userinfo()?,
        Aspect::Host => Some(url.host.as_str()).filter(|h| !h.is_empty())?,
        Aspect::RegisteredDomain => url.registered_domain()?,
        Aspect::Port => return Some(owned(url.port()?.to_string())),
        Aspect::Path => url.path(),
        Aspect::Query => url.query()?,
        Aspect::LinkText => return Some(owned(fold(url.shown.as_deref()?))),
        _ => return None,
    };
    Some(Cow::Borrowed(text.as_bytes()))
}

fn of_part(part: &Part, aspect: Aspect) -> Option<Cow<'_, [u8]>> {
    let text = match aspect {
        Aspect::Type => part.content_type.as_str(),
        Aspect::Charset => part.charset.as_deref()?,
        Aspect::Disposition => part.disposition.as_deref()?,
        Aspect::FileName => part.name.as_deref()?,
        Aspect::Extension => return part.extension().map(owned),
        Aspect::Start => {
            let content = part.content();
            let leaf = !matches!(part.kind, PartKind::Multipart | PartKind::Message);
            return leaf.then(|| Cow::Borrowed(content.get(..START_BYTES).unwrap_or(content)));
        }
        Aspect::Sha256 => {
            let leaf = !matches!(part.kind, PartKind::Multipart | PartKind::Message);
            return leaf.then(|| owned(digests::written(&part.sha256())));
        }
        Aspect::RealType => part.real_type()?,
        _ => return None,
    };
    Some(Cow::Borrowed(text.as_bytes()))
}

fn of_file<'a>(
    content: &'a Content,
    file: &'a File,
    aspect: Aspect,
    which: usize,
) -> Option<Cow<'a, [u8]>> {
    let names = || {
        let own = Some(file.name.as_str()).filter(|n| !n.is_empty());
        own.into_iter().chain(file.other_name.as_deref())
    };
    let text = match aspect {
        Aspect::FileName => names().nth(which)?,
        Aspect::Extension => return names().filter_map(extension).nth(which).map(owned),
        Aspect::FileFlag => file.flags.iter().nth(which)?.name(),
        Aspect::Trait => file.traits.get(which)?.name(),
        Aspect::FileUrl => file.urls.get(which)?,
        _ if which > 0 => return None,
        Aspect::FilePath => &file.path,
        Aspect::Extensions => return file.extensions().map(owned),
        Aspect::Type => file.declared_type.as_deref()?,
        Aspect::RealType => file.real_type?,
        Aspect::Container => content.container(file)?.name(),
        Aspect::FileDepth => return Some(owned(file.depth.to_string())),
        Aspect::Sha256 => return file.sha256.as_ref().map(|d| owned(digests::written(d))),
        _ => return None,
    };
    Some(Cow::Borrowed(text.as_bytes()))
}

fn of_hop(hop: &Hop, aspect: Aspect) -> Option<String> {
    match aspect {
        Aspect::Helo => hop.helo.clone(),
        Aspect::ClientName => hop.name.clone(),
        Aspect::Address => hop.address.map(|a| a.to_string()),
        Aspect::By => hop.by.clone(),
        Aspect::With => hop.with.clone(),
        Aspect::Id => hop.id.clone(),
        Aspect::For => hop.recipient.clone(),
        _ => None,
    }
}

fn owned<'a>(text: String) -> Cow<'a, [u8]> {
    Cow::Owned(text.into_bytes())
}

/// Which of several elements or header fields of one name, from the top of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Position {
    /// From 0.
    FromTop(usize),
    /// From 0.
    FromBottom(usize),
}

impl Position {
    /// The number of the element among `len`, if there is one.
    pub(super) fn of(self, len: usize) -> Option<usize> {
        match self {
            Position::FromTop(n) => (n < len).then_some(n),
            Position::FromBottom(n) => len.checked_sub(n + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_either_end() {
        for (position, len, expected) in [
            (Position::FromTop(0), 3, Some(0)),
            (Position::FromTop(3), 3, None),
            (Position::FromBottom(0), 3, Some(2)),
            (Position::FromBottom(2), 3, Some(0)),
            (Position::FromBottom(3), 3, None),
            (Position::FromBottom(0), 0, None),
        ] {
            assert_eq!(position.of(len), expected, "{position:?} of {len}");
        }
    }
}
