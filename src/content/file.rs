//! What is known of the files of one message.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Trait;
use super::flag::{FileFlag, FileFlags};
use super::{Kind, Limit};
use crate::mail::Url;

/// A file: an attachment, or what a container among them holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its own name, without folders; empty where it has none. Hostile text: it may hold control characters and
    /// changes of direction. At most 255 bytes.
    pub name: String,
    /// Another name that it bears elsewhere in the message or archive.
    pub other_name: Option<String>,
    /// The names that lead to it, from the attachment on: `invoice.zip/folder/a.exe`. Hostile text.
    pub path: String,
    /// The type that the message declares, `type/subtype` in lower case; attachments only.
    pub declared_type: Option<String>,
    /// What it is by its content, as the usual extension of such files; `None`: nothing known.
    pub real_type: Option<&'static str>,
    /// Bytes, unpacked, as far as they were counted. Where nothing could be unpacked, what the archive says.
    pub size: u64,
    /// What the archive says.
    pub declared_size: Option<u64>,
    /// Of the whole content, unpacked; `None` where that was not seen.
    pub sha256: Option<[u8; 32]>,
    /// What is odd about it.
    pub flags: FileFlags,
    /// What documents, scripts and the like are able to do, in order.
    pub traits: Vec<Trait>,
    /// Addresses that documents lead to.
    pub urls: Vec<String>,
    /// How many containers it lies in; 0 for attachments.
    pub depth: usize,
    /// Number of the file that it lies in.
    pub parent: Option<usize>,
    /// What it was opened as.
    pub opened: Option<Kind>,
}

impl File {
    /// Whether it is encrypted, or a document whose traits say so.
    pub fn is_encrypted(&self) -> bool {
        self.flags.has(FileFlag::Encrypted) || self.traits.contains(&Trait::Encrypted)
    }

    /// The extension of its name in lower case, as Windows sees it.
    pub fn extension(&self) -> Option<String> {
        crate::mail::extension(&self.name)
    }

    /// Where it leads, as far as that is a server.
    pub fn links(&self) -> impl Iterator<Item = Url> {
        self.urls.iter().filter_map(|text| link(text))
    }

    /// All extensions of its name, `pdf.exe`.
    pub fn extensions(&self) -> Option<String> {
        super::name::extensions(&self.name)
    }
}

/// The server that a reference of a document leads to. Some are handed to the system with a word in front
/// (`mhtml:http://a.example/x!x-usc:http://a.example/x`), or name the share of a server (`file://a.example/x`).
fn link(text: &str) -> Option<Url> {
    let share = ["file:", "FILE:"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let within = || {
        let at = memchr::memmem::find(text.as_bytes(), b"http")?;
        Url::of_link(text.get(at..)?, None)
    };
    Url::of_link(share.unwrap_or(text), None).or_else(within)
}

/// The files of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Attachments in the order of the message, each followed, not always at once, by what it holds.
    pub files: Vec<File>,
    /// Bounds that were reached: not everything was seen.
    pub limits: BTreeSet<Limit>,
    /// How many containers of each kind were opened.
    pub opened: BTreeMap<Kind, u64>,
}

impl Content {
    /// The first file that bears a flag.
    pub fn flagged(&self, flag: FileFlag) -> Option<&File> {
        self.files.iter().find(|f| f.flags.has(flag))
    }

    /// The kind of container that a file lies in.
    pub fn container(&self, file: &File) -> Option<Kind> {
        self.files.get(file.parent?)?.opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_documents_lead_to_servers() {
        let file = File {
            urls: [
                "https://a.example/x",
                "www.b.example/y",
                "//c.example/z",
                "\\\\d.example\\share\\t.dotm",
                "file://e.example/t.dotm",
                "mhtml:http://f.example/x!x-usc:http://f.example/x",
                "C:\\t.dot",
                "file:///C:/t.dot",
                "mailto:a@g.example",
                "t.dotm",
            ]
            .map(str::to_owned)
            .to_vec(),
            ..File::default()
        };
        let hosts: Vec<String> = file.links().map(|url| url.host).collect();
        let known = hosts.iter().filter(|host| host.ends_with(".example"));
        assert_eq!(
            known.collect::<Vec<_>>(),
            [
                "a.example",
                "www.b.example",
                "c.example",
                "d.example",
                "e.example",
                "f.example"
            ]
        );
        assert!(hosts.len() <= 7, "{hosts:?}");
    }
}
