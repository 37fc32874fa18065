//! Which configuration file it is: the one that is named, that of the environment, the installed one, or none.

use std::path::Path;
use std::process::{Command, Output};

use super::daemon::program;

/// Another folder stands in the place of /etc, seen by these processes only, with this file as the installed configuration;
/// `None` where that cannot be done.
fn with_installed(folder: &Path, run: &[&str], variable: Option<&Path>) -> Option<Output> {
    let script = r#"mount --bind "$1" /etc && shift && exec "$@""#;
    let unshared = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        unshare.arg(folder.join("etc")).args(command);
        unshare.env_remove("MAILWEIR_CONFIG").current_dir(folder);
        unshare
    };
    if !unshared(&["true"])
        .output()
        .is_ok_and(|out| out.status.success())
    {
        println!("skipped: no other folder can be put in the place of /etc here");
        return None;
    }
    let mailweir = program().get_program().to_owned();
    let mut command = unshared(&[mailweir.to_str().unwrap()]);
    if let Some(variable) = variable {
        command.env("MAILWEIR_CONFIG", variable);
    }
    Some(command.args(run).output().unwrap())
}

#[test]
fn the_nearest_configuration_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir_all(path.join("etc/mailweir")).unwrap();
    let named = ["etc/mailweir/mailweir.yaml", "variable.yaml", "named.yaml"].map(|name| {
        let file = path.join(name);
        std::fs::write(&file, "chain: []\ndata_dir: .\n").unwrap();
        file
    });
    let [installed, variable, named] = &named;
    let check = ["check", "--offline"];
    let with_name = ["check", "--offline", "--config", named.to_str().unwrap()];
    let said = |run: &[&str], variable| {
        let out = with_installed(path, run, variable)?;
        let said = format!("{}{}", out.status, String::from_utf8_lossy(&out.stdout));
        Some(format!("{said}{}", String::from_utf8_lossy(&out.stderr)))
    };
    let in_order = |path: &str| format!("exit status: 0{path} is in order");
    let etc = "/etc/mailweir/mailweir.yaml";
    for (run, of_environment, wanted) in [
        (&check[..], None, in_order(etc)),
        (
            &check,
            Some(variable.as_path()),
            in_order(variable.to_str().unwrap()),
        ),
        (
            &with_name,
            Some(variable),
            in_order(named.to_str().unwrap()),
        ),
        (&with_name, None, in_order(named.to_str().unwrap())),
    ] {
        let Some(said) = said(run, of_environment) else {
            return;
        };
        assert!(said.starts_with(&wanted), "{said}, not {wanted}");
    }
    // One that is named by the environment must be there, though another is installed.
    let absent = path.join("absent.yaml");
    let missing = said(&check, Some(&absent)).unwrap();
    assert!(
        missing.starts_with("exit status: 1") && missing.contains("absent.yaml"),
        "{missing}"
    );
    std::fs::remove_file(installed).unwrap();
    let none = said(&check, None).unwrap();
    assert!(none.starts_with(&in_order("(built in)")), "{none}");
}
