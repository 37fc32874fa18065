//! `mailweir user`, beside the daemon.

use super::daemon::{Config, program};
use super::site::{PASSWORD, Site};

impl Site {
    /// The link that the command line makes for a new user.
    pub(crate) fn first_link_of_command(&self) -> String {
        let out = self.command(&["add", "linked"], "");
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn users_and_tokens_are_kept_on_the_command_line_too() {
    let site = Site::empty(Config::default(), "");
    let said = |args: &[&str], input: &str| {
        let out = site.command(args, input);
        assert!(out.status.success(), "{args:?}: {out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let refused = |args: &[&str], input: &str| {
        let out = site.command(args, input);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {out:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    assert!(said(&["list"], "").contains("no users yet"));
    let stdin = ["add", "ann", "--role", "admin", "--password-stdin"];
    assert!(refused(&stdin, "short\n").contains("12 characters"));
    said(&stdin, &format!("{PASSWORD}\r\n"));
    assert!(refused(&stdin, &format!("{PASSWORD}\n")).contains("already"));
    assert_eq!(site.sign_in("ann", PASSWORD).status, 303);
    // The link that the start printed is worth nothing any more.
    let link = site.first_link();
    let path = link.strip_prefix(&site.url()).unwrap();
    assert_eq!(site.get(path).send().status, 409);
    let link = site.first_link_of_command();
    let path = link.strip_prefix(&site.url()).unwrap();
    let page = site.get(path).send();
    assert!(page.body.contains("Choose a password"), "{}", page.body);
    assert!(refused(&["add", "a b"], "").contains("letters"));
    assert!(refused(&["remove", "ann"], "").contains("last admin"));
    assert!(refused(&["disable", "nobody"], "").contains("no such user"));
    let list = said(&["list"], "");
    assert!(
        list.contains("may sign in") && list.contains("has no password yet"),
        "{list}"
    );
    let token = said(&["token", "ann", "--label", "backup", "--days", "7"], "");
    assert!(token.starts_with("mailweir_"));
    let tokens = said(&["tokens"], "");
    assert!(
        tokens.contains("backup") && !tokens.contains(token.trim()),
        "{tokens}"
    );
    said(&["revoke", "1"], "");
    assert!(said(&["tokens"], "").contains("no tokens"));
    said(
        &["password", "ann", "--password-stdin"],
        "an entirely new one\n",
    );
    assert_eq!(site.sign_in("ann", PASSWORD).status, 401);
    let cookie = site.sign_in("ann", "an entirely new one").cookie().unwrap();
    let audit = site.get("/audit").session(&cookie).send();
    for word in ["command line", "user.add", "token.remove", "user.password"] {
        assert!(audit.body.contains(word), "{word}");
    }
}

#[test]
fn where_nobody_could_use_a_link_no_user_is_added_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mailweir.yaml");
    std::fs::write(&config, "data_dir: data\n").unwrap();
    let user = |args: &[&str]| {
        let mut command = program();
        command.args(["user", "--config"]).arg(&config).args(args);
        command.output().unwrap()
    };
    let out = user(&["add", "ann", "--role", "admin"]);
    assert_eq!(out.status.code(), Some(1));
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(
        told.contains("console.listen in") && told.contains("mailweir.yaml"),
        "{told}"
    );
    let list = String::from_utf8(user(&["list"]).stdout).unwrap();
    assert!(list.contains("no users yet"), "{list}");
}

#[test]
fn the_configuration_of_the_service_holds_for_commands_too() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("data_dir: {name}.data\n")).unwrap();
        path
    };
    let (service, other) = (place("service.yaml"), place("other.yaml"));
    let check = |variable: &std::path::Path, args: &[&std::path::Path]| {
        let mut command = program();
        command.env("MAILWEIR_CONFIG", variable);
        command.args(["check", "--offline"]).args(args);
        let out = command.output().unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    let named = std::path::Path::new("--config");
    let nothing = std::path::Path::new("");
    assert!(check(&service, &[]).contains("service.yaml is in order"));
    assert!(check(&service, &[named, &other]).contains("other.yaml is in order"));
    assert!(check(nothing, &[]).contains("(built in) is in order"));
}

#[test]
fn a_restart_keeps_users_sessions_and_the_audit_log() {
    let mut site = Site::new(Config::default());
    let ann = site.session("ann");
    site.daemon.signal("KILL");
    site.daemon.wait();
    site.daemon.restart();
    let audit = site.get("/audit").session(&ann).send();
    assert_eq!(audit.status, 200);
    assert!(audit.body.contains("user.add"));
}
