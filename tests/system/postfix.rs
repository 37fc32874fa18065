//! A private Postfix: any number of smtpd services, each with milter settings of its own, one Maildir.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::daemon::{Config, Daemon};
use super::host::root;
use super::place::{folder, free_port, installed, wait_for};
use super::process::signal;
use super::smtp::Smtp;

/// The user that the mailbox belongs to; no account is needed.
const OWNER: u32 = 5000;

/// A running Postfix.
pub(crate) struct Postfix {
    folder: tempfile::TempDir,
    ports: Vec<u16>,
}

impl Postfix {
    /// One smtpd for each value of `smtpd_milters`; `None` when Postfix cannot be started here.
    pub(crate) fn start(milters: &[String]) -> Option<Postfix> {
        let ports: Vec<u16> = milters.iter().map(|_| free_port()).collect();
        Postfix::start_at(ports, milters)
    }

    /// The same with ports that were chosen before.
    pub(crate) fn start_at(ports: Vec<u16>, milters: &[String]) -> Option<Postfix> {
        let services: Vec<String> = milters
            .iter()
            .map(|milters| format!("  -o {{ smtpd_milters = {milters} }}\n"))
            .collect();
        Postfix::start_services(ports, &services, "")
    }

    /// One smtpd for each port, with these lines of `master.cf`, and further lines of `main.cf`.
    pub(crate) fn start_services(
        ports: Vec<u16>,
        services: &[String],
        main: &str,
    ) -> Option<Postfix> {
        let postfix = installed("postfix")?;
        if !root() {
            return None;
        }
        let folder = folder();
        let path = folder.path();
        for name in ["etc", "spool", "data", "mail"] {
            std::fs::create_dir(path.join(name)).unwrap();
            open_to_all(&path.join(name));
        }
        let own = nix::unistd::User::from_name("postfix").unwrap()?;
        std::os::unix::fs::chown(path.join("data"), Some(own.uid.as_raw()), None).unwrap();
        std::os::unix::fs::chown(path.join("mail"), Some(OWNER), Some(OWNER)).unwrap();
        std::fs::write(path.join("etc/main.cf"), main_cf(path) + main).unwrap();
        std::fs::write(path.join("etc/master.cf"), master_cf(&ports, services)).unwrap();
        let started = Command::new(postfix)
            .arg("-c")
            .arg(path.join("etc"))
            .arg("start")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let instance = Postfix { folder, ports };
        assert!(started.success(), "postfix start:\n{}", instance.log());
        Some(instance)
    }

    /// The port of the smtpd of that number.
    pub(crate) fn port(&self, number: usize) -> u16 {
        self.ports[number]
    }

    /// An SMTP session with the first smtpd, past EHLO.
    pub(crate) fn open(&self) -> Smtp {
        Smtp::open(self.port(0))
    }

    /// The same with the smtpd of that number.
    pub(crate) fn open_at(&self, number: usize) -> Smtp {
        Smtp::open(self.port(number))
    }

    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("spool/maillog")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Every message delivered so far, with LF line ends.
    pub(crate) fn delivered(&self) -> Vec<Vec<u8>> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("mail/box/new")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|p| std::fs::read(p).unwrap()).collect()
    }

    /// Waits for the delivery of a message in which `text` stands.
    pub(crate) fn wait_for(&self, text: &str) -> Vec<u8> {
        wait_for(&format!("the delivery of {text:?}"), || self.find(text))
    }

    pub(crate) fn find(&self, text: &str) -> Option<Vec<u8>> {
        self.delivered()
            .into_iter()
            .find(|m| memchr::memmem::find(m, text.as_bytes()).is_some())
    }

    /// Messages that Postfix still has, whatever queue they are in.
    pub(crate) fn queued(&self) -> usize {
        let spool = self.folder.path().join("spool");
        ["incoming", "active", "deferred", "hold", "maildrop"]
            .iter()
            .map(|queue| files(&spool.join(queue)))
            .sum()
    }

    /// Messages on hold.
    pub(crate) fn held(&self) -> usize {
        files(&self.folder.path().join("spool/hold"))
    }

    /// Takes every message off hold, as an admin does.
    pub(crate) fn let_go(&self) {
        let done = Command::new("/usr/sbin/postsuper")
            .arg("-c")
            .arg(self.folder.path().join("etc"))
            .args(["-H", "ALL"])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
        let flushed = Command::new("/usr/sbin/postqueue")
            .arg("-c")
            .arg(self.folder.path().join("etc"))
            .arg("-f")
            .status()
            .unwrap();
        assert!(flushed.success());
    }

    /// Waits until everything that was accepted is delivered.
    pub(crate) fn drained(&self) {
        wait_for("an empty queue", || (self.queued() == 0).then_some(()));
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let pid = self.folder.path().join("spool/pid/master.pid");
        if let Ok(pid) = std::fs::read_to_string(pid) {
            // The master leads a session: its group is all of this Postfix and nothing else.
            signal(&format!("-{}", pid.trim()), "KILL");
        }
    }
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|e| match e.file_type() {
            Ok(kind) if kind.is_dir() => files(&e.path()),
            _ => 1,
        })
        .sum()
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn main_cf(path: &Path) -> String {
    let path = path.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {path}/spool
data_directory = {path}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {path}/spool/maillog
maillog_file_prefixes = {path}
inet_interfaces = loopback-only
inet_protocols = ipv4
smtputf8_enable = yes
myhostname = mx.example.org
mydestination =
mynetworks =
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {path}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:{OWNER}
virtual_gid_maps = static:{OWNER}
smtpd_peername_lookup = no
smtpd_recipient_restrictions = permit_auth_destination, reject
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_junk_command_limit = 1000
smtpd_hard_error_limit = 1000
milter_default_action = tempfail
milter_connect_timeout = 10s
milter_command_timeout = 30s
milter_content_timeout = 90s
"
    )
}

fn master_cf(ports: &[u16], services: &[String]) -> String {
    let mut text = String::new();
    for (port, options) in ports.iter().zip(services) {
        let _ = write!(text, "127.0.0.1:{port} inet n - n - 50 smtpd\n{options}");
    }
    text.push_str(
        "pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
",
    );
    text
}

/// A daemon that releases to a Postfix, which asks it in turn; `digest`: keys of `quarantine.digest`. `None` where there is no
/// Postfix.
pub(crate) fn releasing(digest: &str) -> Option<(Daemon, Postfix)> {
    let port = free_port();
    let daemon = Daemon::start(&Config {
        sections: releases_to(port, digest),
        ..Config::default()
    });
    let postfix = Postfix::start_at(vec![port], &[daemon.inet()])?;
    Some((daemon, postfix))
}

/// The section of a quarantine that releases to a port.
pub(crate) fn releases_to(port: u16, digest: &str) -> String {
    format!("quarantine: {{ release: {{ smtp: \"127.0.0.1:{port}\" }}, digest: {{ {digest} }} }}\n")
}
