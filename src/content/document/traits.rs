//! What a document is able to do, or hides: facts with stable names for rules to score.
//!
//! A trait says what stands in the file, never what to think of it. The word before the dot is the family of
//! formats; the names are part of the rule language and never change.

/// Defines [`Trait`] with name and meaning of each variant, so that they cannot drift apart.
macro_rules! traits {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Something that a document holds or does; rules score them by their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Trait {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Trait {
            /// Every trait, in the order of declaration.
            pub const ALL: &'static [Trait] = &[$(Trait::$variant,)+];

            /// The name used in rules and explanations, `macro.auto_run`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Trait::$variant => $name,)+
                }
            }

            /// One sentence on what was found, for explanations and documentation.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Trait::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

traits! {
    /// Cannot be read without a password, or only with one that programs try by themselves.
    Encrypted = "file.encrypted",
    /// Encrypted, with a password that stands in the message.
    PasswordGiven = "file.password_given",
    /// The structure that the format requires is broken; programs may repair it and open the file all the same.
    Damaged = "file.damaged",
    /// A program: executable, library, Excel add-in, Java archive.
    Program = "file.program",
    /// A package that installs a program (MSI, MSIX, ClickOnce).
    Installer = "file.installer",
    /// A script that the operating system runs: JavaScript, VBScript, PowerShell, batch, HTA, WSF, shell.
    Script = "file.script",
    /// An image of a disk, whose files lose the mark of having come from outside.
    DiskImage = "file.disk_image",
    /// A compiled help file, which can run scripts and programs.
    Help = "file.help",
    /// A shortcut of Windows (.lnk, .url, .settingcontent-ms, ...).
    Shortcut = "file.shortcut",
    /// A file that makes Windows look at folders elsewhere (.library-ms, .search-ms, .theme).
    RemoteFolder = "file.remote_folder",
    /// A connection to a remote desktop, which can hand over local drives.
    RemoteDesktop = "file.remote_desktop",
    /// A console of the Microsoft Management Console, which can run scripts.
    Console = "file.console",
    /// Entries for the Windows registry.
    Registry = "file.registry",
    /// A query that makes Excel fetch data from elsewhere (.iqy, .odc, .dqy).
    WebQuery = "file.web_query",
    /// A program that Java or Windows fetches and starts (.jnlp, .application, .appref-ms).
    WebStart = "file.web_start",
    /// A spreadsheet in the SYLK format, which can hold Excel 4 macros.
    Sylk = "file.sylk",
    /// An Outlook message file.
    Message = "file.message",
    /// Code (of a macro, a script, a page) starts programs, or loads objects of Windows that can.
    CodeRuns = "code.runs_program",
    /// Code fetches a file over the network by means that a web page does not have.
    CodeDownloads = "code.downloads",
    /// Code writes files.
    CodeWrites = "code.writes_file",
    /// Code calls functions of the operating system directly.
    CodeSystemCall = "code.system_call",
    /// Code puts its texts together from single characters, reversed or encoded ones.
    CodeObfuscated = "code.obfuscated",
    /// Macros (VBA or OpenDocument Basic).
    Macro = "macro.present",
    /// A macro has a name that makes it run when the document is opened or closed, or is bound to such an event.
    MacroAutoRun = "macro.auto_run",
    /// A macro module whose source is missing, while its compiled form is there.
    MacroSourceMissing = "macro.source_missing",
    /// Macros in a file whose name or type is for documents without macros.
    MacroUnexpected = "macro.unexpected",
    /// A sheet of Excel 4 macros.
    Excel4 = "macro.excel4",
    /// A name that makes an Excel 4 macro run when the workbook is opened or closed.
    Excel4AutoRun = "macro.excel4_auto_run",
    /// A sheet of Excel 4 macros that is hidden.
    Excel4Hidden = "macro.excel4_hidden",
    /// A template is fetched from elsewhere when the document is opened.
    ExternalTemplate = "office.external_template",
    /// An object or another document is fetched from elsewhere when the document is opened.
    ExternalObject = "office.external_object",
    /// A frame or a part of the document lies elsewhere.
    ExternalFrame = "office.external_frame",
    /// A picture is fetched from elsewhere when the document is opened.
    ExternalPicture = "office.external_picture",
    /// A reference to another workbook.
    ExternalWorkbook = "office.external_workbook",
    /// A reference that hands its text to a handler of the operating system (mhtml:, ms-msdt:, script:, x-usc:, file of a server).
    ProtocolHandler = "office.protocol_handler",
    /// A field or formula that asks another program for data (DDE), which starts it.
    Dde = "office.dde",
    /// An embedded OLE object.
    EmbeddedObject = "office.embedded_object",
    /// A file of any kind that opens by a click in the document (OLE Package).
    Package = "office.package",
    /// An object of the old equation editor, which nothing but exploits has needed since 2018.
    EquationEditor = "office.equation_editor",
    /// An ActiveX control.
    ActiveX = "office.activex",
    /// A ribbon of its own that calls code when it is loaded.
    RibbonOnLoad = "office.ribbon_onload",
    /// A chunk of another format (HTML, RTF) that becomes part of the document when it is opened.
    AltChunk = "office.alt_chunk",
    /// RTF tells the program to refresh an object by itself when the file is opened.
    RtfObjectUpdate = "rtf.object_update",
    /// RTF is written so that scanners lose track: broken header, hexadecimal data mixed with other things.
    RtfObfuscated = "rtf.obfuscated",
    /// JavaScript in a PDF.
    PdfJavaScript = "pdf.javascript",
    /// An action when the PDF is opened.
    PdfOpenAction = "pdf.open_action",
    /// Actions bound to events of pages or fields.
    PdfAdditionalActions = "pdf.additional_actions",
    /// An action that starts a program or opens a file.
    PdfLaunch = "pdf.launch",
    /// Links to URIs.
    PdfUri = "pdf.uri",
    /// A form that is sent to a server.
    PdfSubmitForm = "pdf.submit_form",
    /// An action that fills a form from elsewhere.
    PdfImportData = "pdf.import_data",
    /// An action that opens another document.
    PdfGoToRemote = "pdf.go_to_remote",
    /// An action that opens an embedded document.
    PdfGoToEmbedded = "pdf.go_to_embedded",
    /// Embedded files.
    PdfEmbeddedFile = "pdf.embedded_file",
    /// A form in XFA, which can hold scripts.
    PdfXfa = "pdf.xfa",
    /// Multimedia that runs in a player (RichMedia, Flash, 3D).
    PdfRichMedia = "pdf.rich_media",
    /// A picture packed by JBIG2, whose readers have often been attacked.
    PdfJbig2 = "pdf.jbig2",
    /// Names are written with escapes for plain letters.
    PdfObfuscated = "pdf.obfuscated",
    /// The header does not stand at the beginning of the file.
    PdfHeaderMoved = "pdf.header_moved",
    /// Encrypted with an empty password: opens like any other file, but filters see no texts and links in it.
    PdfEmptyPassword = "pdf.empty_password",
    /// Exactly one page.
    PdfSinglePage = "pdf.single_page",
    /// A script in an HTML or SVG file, in whatever place.
    HtmlScript = "html.script",
    /// A script that is fetched from elsewhere.
    HtmlExternalScript = "html.external_script",
    /// A script bound to an event of an element.
    HtmlEventHandler = "html.event_handler",
    /// A form.
    HtmlForm = "html.form",
    /// A form that is sent to a server elsewhere.
    HtmlFormElsewhere = "html.form_elsewhere",
    /// A field for a password.
    HtmlPassword = "html.password_field",
    /// A script puts a file together and hands it over as a download.
    HtmlSmuggling = "html.smuggling",
    /// A script makes a file from data (Blob, createObjectURL).
    HtmlBlob = "html.blob",
    /// A link that saves its target as a file.
    HtmlDownload = "html.download",
    /// A document, an archive or a program within a `data:` URL or a script.
    HtmlDataFile = "html.data_file",
    /// The page leads elsewhere by itself (meta refresh).
    HtmlRefresh = "html.refresh",
    /// A script leads elsewhere.
    HtmlRedirect = "html.script_redirect",
    /// A script talks to a server.
    HtmlRequest = "html.script_request",
    /// A frame with a page from elsewhere.
    HtmlFrame = "html.frame",
    /// A script is hidden by encoding and decodes itself.
    HtmlObfuscated = "html.obfuscated",
    /// A page within a picture (SVG foreignObject).
    SvgForeignObject = "svg.foreign_object",
    /// An appointment that wants an answer.
    CalendarRequest = "calendar.request",
    /// An appointment with a file or a reference to one.
    CalendarAttachment = "calendar.attachment",
    /// An appointment whose alarm starts a program.
    CalendarProgram = "calendar.alarm_program",
    /// Files within a OneNote page.
    OneNoteFile = "onenote.embedded_file",
    /// A shortcut starts a command interpreter or another program that runs code of its arguments.
    ShortcutCommand = "shortcut.command",
    /// A shortcut leads to a file on a server.
    ShortcutRemote = "shortcut.remote",
    /// The arguments of a shortcut are pushed out of sight by blanks.
    ShortcutPadding = "shortcut.padding",
    /// A shortcut shows the icon of a document or of a folder.
    ShortcutIcon = "shortcut.document_icon",
    /// A shortcut with data behind its end.
    ShortcutAppended = "shortcut.appended_data",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_differ_and_are_plain_words() {
        let names: BTreeSet<_> = Trait::ALL.iter().map(|t| t.name()).collect();
        assert_eq!(names.len(), Trait::ALL.len());
        for name in names {
            let (family, word) = name.split_once('.').unwrap();
            let plain = |w: &str| {
                !w.is_empty()
                    && w.bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            };
            assert!(plain(family) && plain(word), "{name}");
        }
    }
}
