//! Where an instance lives: ports, folders, the wait for a condition.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest wait for anything that is not about time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A TCP port of 127.0.0.1 that nobody else is given for the next minute.
///
/// A port that was bound and closed may go to another test before its server binds it. So a connection
/// is made and closed on it: in TIME-WAIT the system no longer hands it out, while a server that names
/// it and sets SO_REUSEADDR, as all of ours do, gets it.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (server, _) = listener.accept().unwrap();
    // Who closes first keeps TIME-WAIT.
    server.shutdown(Shutdown::Write).unwrap();
    drop(server);
    drop(client);
    port
}

/// A temporary folder that servers which give up root may enter.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new()
        .prefix("mailweir-")
        .tempdir()
        .unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Asks until there is an answer; `what` is for the message of a test that failed.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        // The interval of asking, not a wait for something to have happened.
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Finds a program of the system, or says that the test is skipped.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let found = [
        "/usr/sbin",
        "/usr/local/sbin",
        "/usr/bin",
        "/usr/local/bin",
        "/sbin",
        "/bin",
    ]
    .iter()
    .map(|folder| Path::new(folder).join(program))
    .find(|path| path.exists());
    if found.is_none() {
        println!("skipped: {program} is not installed");
    }
    found
}

/// Where an `unpack.sh` has put something: the folder that a variable names, or one of that name in target/. Says that the
/// test is skipped if `program` is not there.
pub(crate) fn unpacked(variable: &str, name: &str, program: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target")
        .join(name);
    let root = named.unwrap_or(beside);
    if root.join(program).exists() {
        return Some(root);
    }
    println!("skipped: {name} is not here (`make packages` fetches it)");
    None
}
