//! Messages signed by OpenDKIM, on their way through Postfix and mailweir.

use std::path::Path;
use std::process::{Command, Stdio};

use super::daemon::{Config, Daemon};
use super::message::{message, values};
use super::names::Names;
use super::place::{folder, free_port, installed, wait_for};
use super::postfix::Postfix;
use super::process::Process;
use super::zone::Zone;

/// OpenDKIM as a milter that signs for example.net, simple/simple, and as an independent verifier.
struct OpenDkim {
    folder: tempfile::TempDir,
    port: u16,
    record: String,
    _process: Process,
}

impl OpenDkim {
    fn start() -> Option<OpenDkim> {
        let (program, generate) = (installed("opendkim")?, installed("opendkim-genkey")?);
        let folder = folder();
        let path = folder.path();
        let made = Command::new(generate)
            .args(["-d", "example.net", "-s", "k1", "-b", "2048", "-D"])
            .arg(path)
            .status()
            .unwrap();
        assert!(made.success());
        let zone_file = std::fs::read_to_string(path.join("k1.txt")).unwrap();
        let record: String = zone_file.split('"').skip(1).step_by(2).collect();
        let port = free_port();
        let shown = path.display();
        let signing = format!(
            "Mode s\nSyslog no\nSocket inet:{port}@127.0.0.1\nDomain example.net\nSelector k1\n\
             KeyFile {shown}/k1.private\nCanonicalization simple/simple\nOversignHeaders From\n\
             RequireSafeKeys no\n"
        );
        std::fs::write(path.join("sign.conf"), signing).unwrap();
        let name = "k1._domainkey.example.net";
        std::fs::write(path.join("dns"), format!("{name} {record}\n")).unwrap();
        let verifying = format!("Mode v\nSyslog no\nTestDNSData file:{shown}/dns\n");
        std::fs::write(path.join("verify.conf"), verifying).unwrap();
        let mut command = Command::new(program);
        command.arg("-f").arg("-x").arg(path.join("sign.conf"));
        let process = Process::spawn(command.stdin(Stdio::null()));
        wait_for("opendkim", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(OpenDkim {
            folder,
            port,
            record,
            _process: process,
        })
    }

    /// What OpenDKIM says of a message.
    fn verify(&self, raw: &[u8]) -> String {
        let file = self.folder.path().join("message");
        std::fs::write(&file, raw).unwrap();
        let said = Command::new(installed("opendkim").unwrap())
            .arg("-x")
            .arg(self.folder.path().join("verify.conf"))
            .arg("-t")
            .arg(Path::new(&file))
            .output()
            .unwrap();
        let both = [said.stdout, said.stderr].concat();
        String::from_utf8_lossy(&both).into_owned()
    }
}

/// A Postfix whose first port signs and whose second has mailweir behind it.
fn start(
    zone: impl FnOnce(&str) -> Zone,
    auth: &str,
) -> Option<(OpenDkim, Names, Daemon, Postfix)> {
    installed("postfix")?;
    let opendkim = OpenDkim::start()?;
    let zone = zone(&opendkim.record);
    let names = Names::start(move |question| zone.answer(question));
    let daemon = Daemon::start(&Config {
        chain: "[auth]",
        sections: format!("dns: {{ resolvers: [\"{}\"] }}\n{auth}", names.address()),
        ..Config::default()
    });
    let signs = format!("inet:127.0.0.1:{}", opendkim.port);
    let postfix = Postfix::start(&[signs, daemon.inet()])?;
    Some((opendkim, names, daemon, postfix))
}

fn zone(record: &str) -> Zone {
    Zone::default()
        .txt("k1._domainkey.example.net", record)
        .txt("_dmarc.example.net", "v=DMARC1; p=reject")
        .txt("example.net", "v=spf1 ip4:192.0.2.1 -all")
        .ptr("1.2.0.192.in-addr.arpa", "mail.example.net")
        .a("mail.example.net", "192.0.2.1")
}

/// A message as the first port delivered it, from its signature on, with CRLF line ends. `mark`: words in it.
fn signed(postfix: &Postfix, body: &str, mark: &str) -> String {
    let sent = message("signed  mail", body);
    let reply = postfix.open().send(&sent);
    assert_eq!(reply.code, 250, "{reply:?}");
    let stored = String::from_utf8(postfix.wait_for(mark)).unwrap();
    let at = stored.find("DKIM-Signature:").expect(&stored);
    stored[at..].replace('\n', "\r\n")
}

#[test]
fn a_signature_over_exact_bytes_holds_before_and_behind_us_and_forged_results_go() {
    let Some((opendkim, _names, _daemon, postfix)) = start(zone, "") else {
        return;
    };
    let text =
        "  Odd   white space \t, a dot:\r\n.\r\nand trailing blanks  \r\n\r\n\r\nend\r\n\r\n";
    let raw = signed(&postfix, text, "Odd   white space");
    let (signature, rest) = raw.split_once("\r\nReceived:").unwrap();
    let sent = format!(
        "Authentication-Results: mx.example.org; dkim=fail\r\n\
         {signature}\r\n\
         AUTHENTICATION-RESULTS: (we) \"MX.example.org\" 1;\r\n\tdmarc=pass header.from=bank.example\r\n\
         Authentication-Results: other.example; spf=pass\r\n\
         Authentication-results:mx.example.org;none\r\n\
         Received:{rest}"
    );
    let before = postfix.delivered().len();
    let mut smtp = postfix.open_at(1);
    smtp.xclient("192.0.2.1");
    let reply = smtp.send(sent.as_bytes());
    assert_eq!(reply.code, 250, "{reply:?}");
    let stored = wait_for("the second delivery", || {
        let all = postfix.delivered();
        let ours = all
            .into_iter()
            .find(|m| !values(m, "X-Mailweir-Id").is_empty());
        ours.filter(|_| postfix.delivered().len() > before)
    });
    let results = values(&stored, "Authentication-Results");
    assert_eq!(results.len(), 2, "{results:?}");
    assert!(results[0].starts_with("mx.example.org; spf=pass smtp.mailfrom=sender@example.net;"));
    assert!(
        results[0].contains("dkim=pass header.d=example.net header.s=k1"),
        "{}",
        results[0]
    );
    assert!(
        results[0].contains("dmarc=pass header.from=example.net"),
        "{}",
        results[0]
    );
    assert!(
        results[0].ends_with("iprev=pass policy.iprev=192.0.2.1"),
        "{}",
        results[0]
    );
    assert_eq!(results[1], "other.example; spf=pass");
    let said = opendkim.verify(&stored);
    assert!(said.contains("succeeded"), "{said}");
    // The verifier tells good from bad.
    let tampered = String::from_utf8(stored).unwrap().replacen("Odd", "odd", 1);
    let said = opendkim.verify(tampered.as_bytes());
    assert!(said.contains("failed") || said.contains("bad"), "{said}");
}

#[test]
fn a_message_that_its_domain_disowns_is_refused_where_that_is_wanted() {
    let Some((_opendkim, _names, daemon, postfix)) =
        start(zone, "auth: { dmarc: { reject: reject } }\n")
    else {
        return;
    };
    let raw = signed(&postfix, "Pay this bill", "Pay this bill");
    let send = |raw: &str, client: &str| {
        let mut smtp = postfix.open_at(1);
        smtp.xclient(client);
        smtp.send(raw.as_bytes())
    };
    // From elsewhere: SPF fails, and the signature is good as long as nobody touches it.
    assert_eq!(send(&raw, "198.51.100.9").code, 250);
    let reply = send(
        &raw.replace("Pay this bill", "Pay that bill"),
        "198.51.100.9",
    );
    assert_eq!(reply.code, 550);
    assert!(
        reply.text.contains(
            "5.7.1 Message refused: the policy of the sender's domain asks for it (DMARC) (id "
        ),
        "{reply:?}"
    );
    let failures = "mailweir_auth_dmarc_failures_total{disposition=\"reject\"}";
    assert_eq!(daemon.metric(failures), 1.0);
}

/// Reverse DNS is asked for when the client connects, SPF before the body is on its way.
#[test]
fn questions_leave_while_the_client_still_talks() {
    let Some((_opendkim, names, _daemon, postfix)) = start(zone, "") else {
        return;
    };
    let mut smtp = postfix.open_at(1);
    smtp.xclient("192.0.2.1");
    names.wait_for(1);
    assert_eq!(names.asked()[0], "1.2.0.192.in-addr.arpa");
    smtp.envelope();
    assert_eq!(smtp.command("DATA").code, 354);
    wait_for("the question for SPF", || {
        names
            .asked()
            .contains(&"example.net".to_owned())
            .then_some(())
    });
}
