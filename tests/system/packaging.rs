//! What is installed, and the daemon under the restrictions that its unit asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mailweir::milter::MtaReply;

use super::daemon::{Config, Daemon, HELD, TAGGED};
use super::dns_server::Reply;
use super::host::root;
use super::message::message;
use super::milter::{Milter, inserted};
use super::names::Names;
use super::place::{PATIENCE, folder, installed, wait_for};
use super::scanner::{FalseClamd, Gate, Manner};

/// `make install` of the program under test.
fn install(variables: &[String]) -> Option<Output> {
    let make = installed("make")?;
    let out = Command::new(make)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("install")
        .arg(format!("BIN={}", env!("CARGO_BIN_EXE_mailweir")))
        .args(variables)
        .output()
        .unwrap();
    Some(out)
}

fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(root).unwrap();
                found.insert(path.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn install_puts_everything_in_its_place_and_leaves_the_configuration_of_the_admin() {
    let place = folder();
    let root = place.path();
    let variables = [
        format!("DESTDIR={}", root.display()),
        "PREFIX=/usr".to_owned(),
    ];
    let Some(done) = install(&variables) else {
        return;
    };
    assert!(done.status.success(), "{done:?}");
    let there = files(root);
    for wanted in [
        "usr/bin/mailweir",
        "usr/lib/systemd/system/mailweir.service",
        "usr/lib/sysusers.d/mailweir.conf",
        "usr/lib/tmpfiles.d/mailweir.conf",
        "usr/share/man/man1/mailweir.1",
        "usr/share/man/man1/mailweir-quarantine-release.1",
        "usr/share/bash-completion/completions/mailweir",
        "usr/share/zsh/site-functions/_mailweir",
        "usr/share/fish/vendor_completions.d/mailweir.fish",
        "usr/share/mailweir/rules/phishing.yaml",
        "usr/share/doc/mailweir/configuration.md",
        "etc/mailweir/mailweir.yaml",
    ] {
        assert!(there.contains(wanted), "{wanted}: {there:#?}");
    }
    let unit = root.join("usr/lib/systemd/system/mailweir.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    assert!(!unit.contains('@') || !unit.contains("@BINDIR@"), "{unit}");
    assert!(
        unit.contains("ExecStart=/usr/bin/mailweir serve --config /etc/mailweir/mailweir.yaml")
    );

    let config = root.join("etc/mailweir/mailweir.yaml");
    let checked = Command::new(root.join("usr/bin/mailweir"))
        .args(["check", "--strict", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    std::fs::write(&config, "thresholds: { tag: 4 }\n").unwrap();
    assert!(install(&variables).unwrap().status.success());
    let kept = std::fs::read_to_string(&config).unwrap();
    assert_eq!(kept, "thresholds: { tag: 4 }\n");
}

#[test]
fn the_unit_is_sound_and_leaves_little_exposed() {
    let Some(analyze) = installed("systemd-analyze") else {
        return;
    };
    let place = folder();
    let root = place.path();
    let variables = [
        format!("PREFIX={}/usr", root.display()),
        format!("SYSCONFDIR={}/etc", root.display()),
    ];
    let Some(done) = install(&variables) else {
        return;
    };
    assert!(done.status.success(), "{done:?}");
    let unit = root.join("usr/lib/systemd/system/mailweir.service");
    for args in [
        &["verify", "--man=no", "--recursive-errors=no"][..],
        // Of 100; a service without any restriction has 96.
        &["security", "--offline=true", "--threshold=15"],
    ] {
        let said = Command::new(&analyze)
            .args(args)
            .arg(&unit)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{args:?}\n{text}");
        let complaint = args[0] == "verify" && text.contains("mailweir.service:");
        assert!(!complaint, "{args:?}\n{text}");
    }
}

/// What the unit confines the daemon to, made by hand: an account of its own without capabilities, nothing
/// writable but its folder. strace notes each system call.
const CONFINED: &str = r#"
set -e
chown -R nobody:nogroup .
mount --make-rprivate /
mount --bind "$PWD" "$PWD"
mount --bind / /
mount -o remount,bind,ro /
mount -t proc -o subset=pid proc /proc || echo 'skipped: nothing of /proc can be hidden here' >&2
exec setpriv --reuid=nobody --regid=nogroup --init-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all \
  strace -D -f -qq -o "$PWD/trace" -e 'signal=none' "$@"
"#;

/// The system calls of each set of systemd, sets in sets followed.
fn call_sets(analyze: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let out = Command::new(analyze)
        .arg("syscall-filter")
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.starts_with('@') {
            current = line.trim().to_owned();
        } else if let Some(name) = line.split_whitespace().next().filter(|n| *n != "#") {
            sets.entry(current.clone())
                .or_default()
                .insert(name.to_owned());
        }
    }
    // Sets are few levels deep.
    for _ in 0..5 {
        let flat = sets.clone();
        for members in sets.values_mut() {
            let inner: Vec<String> = members
                .iter()
                .filter(|m| m.starts_with('@'))
                .cloned()
                .collect();
            for set in inner {
                members.remove(&set);
                members.extend(flat.get(&set).cloned().unwrap_or_default());
            }
        }
    }
    sets
}

/// The calls that the unit's lines `SystemCallFilter=` leave.
fn allowed(analyze: &Path) -> BTreeSet<String> {
    let sets = call_sets(analyze);
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/mailweir.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let mut allowed = BTreeSet::new();
    for line in unit
        .lines()
        .filter_map(|l| l.strip_prefix("SystemCallFilter="))
    {
        let (takes, names) = match line.strip_prefix('~') {
            Some(names) => (true, names),
            None => (false, line),
        };
        for name in names.split_whitespace() {
            let calls = sets.get(name).unwrap_or_else(|| panic!("no set {name}"));
            assert!(calls.len() > 3, "{name}: {calls:?}");
            match takes {
                true => allowed.retain(|c| !calls.contains(c)),
                false => allowed.extend(calls.iter().cloned()),
            }
        }
    }
    allowed
}

fn send(daemon: &Daemon, text: &str) -> Vec<MtaReply> {
    let mut milter = Milter::open(daemon.milter);
    milter.connect("192.0.2.1");
    milter.envelope();
    let sent = message("confined", text);
    let body = milter.header(&sent).to_vec();
    milter.body(&body);
    milter.write_end();
    milter.final_replies()
}

#[test]
fn confined_as_by_its_unit_the_daemon_does_all_its_work() {
    let (Some(analyze), Some(_), Some(_), Some(_)) = (
        installed("systemd-analyze"),
        installed("strace"),
        installed("setpriv"),
        installed("unshare"),
    ) else {
        return;
    };
    if !root() {
        return;
    }
    let names = Names::start(|_| Reply::NxDomain(Some(60)));
    let gate = Gate::default();
    gate.open();
    let clamd = FalseClamd::start(Manner::Waits(gate));
    let under = ["unshare", "--mount", "sh", "-c", CONFINED, "sh"];
    let mut daemon = Daemon::start(&Config {
        chain: "[dnsbl, rules, bayes, clamav]",
        milter: "socket_group: nogroup\n".to_owned(),
        sections: format!(
            "dns: {{ resolvers: [\"{}\"] }}
dnsbl: {{ zones: [{{ zone: bl.example.org, score: 1 }}] }}
clamav: {{ servers: [\"127.0.0.1:{}\"] }}
events: {{ file: events.jsonl }}
",
            names.address(),
            clamd.port
        ),
        under: under.map(str::to_owned).to_vec(),
        ..Config::default()
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    for line in [
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line}\n{status}");
    }
    let tagged = send(&daemon, TAGGED);
    assert_eq!(
        inserted(&tagged, "X-Virus-Status").as_deref(),
        Some("Clean")
    );
    assert_eq!(tagged.last(), Some(&MtaReply::Continue));
    assert_eq!(send(&daemon, HELD), [MtaReply::Discard]);
    assert_eq!(daemon.metric("mailweir_quarantine_messages"), 1.0);
    daemon.signal("HUP");
    daemon.wait_for_metric("mailweir_reloads_total{result=\"ok\"}", 1.0);
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "{}", daemon.log());

    // The unit hides all of /proc but processes.
    let events = std::fs::read_to_string(daemon.path().join("data/events.jsonl")).unwrap();
    let event: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(event["host"], host.trim());

    let trace = daemon.path().join("trace");
    let trace = wait_for("the end of the trace", || {
        let text = std::fs::read_to_string(&trace).ok()?;
        text.contains("exit_group(").then_some(text)
    });
    let allowed = allowed(&analyze);
    let call = regex::Regex::new(r"(?m)^\d+\s+([a-z_0-9]+)\((.*)$").unwrap();
    let mut used = BTreeSet::new();
    for found in call.captures_iter(&trace) {
        let (name, args) = (&found[1], &found[2]);
        used.insert(name.to_owned());
        if name == "socket" {
            let families = ["AF_INET,", "AF_INET6,", "AF_UNIX,"];
            assert!(
                families.iter().any(|f| args.starts_with(f)),
                "{name}({args}"
            );
        }
        // MemoryDenyWriteExecute: never both, and nothing becomes executable later.
        let executable = args.contains("PROT_EXEC");
        let writable = args.contains("PROT_WRITE");
        assert!(
            !(executable && (writable || name == "mprotect")),
            "{name}({args}"
        );
        assert!(
            !args.contains("CLONE_NEW"),
            "RestrictNamespaces: {name}({args}"
        );
    }
    assert!(used.len() > 30 && used.contains("fsync"), "{used:?}");
    let forbidden: Vec<_> = used.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}

#[test]
fn a_service_manager_is_told_when_mail_is_accepted_and_when_no_longer() {
    let place = folder();
    let path: PathBuf = place.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    let mut daemon = Daemon::start(&Config {
        under: vec![
            "env".to_owned(),
            format!("NOTIFY_SOCKET={}", path.display()),
        ],
        ..Config::default()
    });
    assert_eq!(told(), "READY=1");
    daemon.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    assert!(daemon.wait().success());
}
