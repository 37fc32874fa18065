//! rbldnsd with two small lists, behind unbound, on ephemeral ports; both end with the test.

use std::hash::{BuildHasher, RandomState};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

/// Running lists.
pub struct Lists {
    /// Port of unbound on 127.0.0.1.
    pub resolver: u16,
    /// Port of rbldnsd on 127.0.0.1, which answers for its lists alone.
    pub lists: u16,
    rbldnsd: Option<Running>,
    _unbound: Running,
    folder: tempfile::TempDir,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const IP4: &str = "$SOA 300 ns.test.example admin.test.example 0 600 300 86400 300
$TTL 300
:127.0.0.2:listed
127.0.0.2
192.0.2.1
198.51.100.0/24 :127.0.0.4:proxy
";

const IP6: &str = "$SOA 300 ns.test.example admin.test.example 0 600 300 86400 300
$TTL 300
:127.0.0.2:listed
2001:db8::/64
";

/// Names and hashes; the hash is that of `printf %s ann@from.example.com | sha1sum`.
const NAMES: &str = "$SOA 300 ns.test.example admin.test.example 0 600 300 86400 300
$TTL 300
:127.0.1.2:listed, see $
test
.example.co.uk
f0e0d69ea552a7d7ec5e96a13c9b8c09f3f9d969
";

fn start_lists(program: &Path, folder: &Path, port: u16) -> Running {
    Running(
        Command::new(program)
            .args(["-n", "-b", &format!("127.0.0.1/{port}"), "-w"])
            .arg(folder)
            .args([
                "bl.test.example:ip4trie:ip4",
                "six.test.example:ip6trie:ip6",
                "names.test.example:dnset:names",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    )
}

impl Lists {
    /// Stops rbldnsd.
    pub fn stop(&mut self) {
        self.rbldnsd = None;
    }

    /// Starts rbldnsd again.
    pub fn restart(&mut self) {
        if let Some(program) = installed("rbldnsd") {
            self.rbldnsd = Some(start_lists(&program, self.folder.path(), self.lists));
            wait_for_answer(self.lists);
        }
    }

    /// Starts both, or says why not and gives `None` when one is not installed.
    pub fn start() -> Option<Lists> {
        let rbldnsd = installed("rbldnsd")?;
        let unbound = installed("unbound")?;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("ip4"), IP4).unwrap();
        std::fs::write(path.join("ip6"), IP6).unwrap();
        std::fs::write(path.join("names"), NAMES).unwrap();
        // rbldnsd does not stay root.
        open_to_all(path);
        let (lists, resolver) = (free_port(), free_port());
        let zones = start_lists(&rbldnsd, path, lists);
        let config = path.join("unbound.conf");
        std::fs::write(&config, unbound_config(path, lists, resolver)).unwrap();
        let unbound = Running(
            Command::new(unbound)
                .arg("-d")
                .arg("-c")
                .arg(&config)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        wait_for_answer(resolver);
        Some(Lists {
            resolver,
            lists,
            rbldnsd: Some(zones),
            _unbound: unbound,
            folder,
        })
    }
}

fn unbound_config(path: &Path, lists: u16, port: u16) -> String {
    let stub = |zone: &str| {
        format!(
            "stub-zone:\n  name: \"{zone}\"\n  stub-addr: 127.0.0.1@{lists}\n  stub-no-cache: no\n"
        )
    };
    format!(
        "server:
  directory: \"{0}\"
  pidfile: \"{0}/unbound.pid\"
  chroot: \"\"
  username: \"\"
  use-syslog: no
  logfile: \"{0}/unbound.log\"
  interface: 127.0.0.1
  port: {port}
  do-not-query-localhost: no
  do-daemonize: no
  num-threads: 1
  module-config: \"iterator\"
  access-control: 127.0.0.0/8 allow
remote-control:
  control-enable: no
{1}{2}",
        path.display(),
        stub("bl.test.example"),
        stub("six.test.example") + &stub("names.test.example")
    )
}

fn installed(program: &str) -> Option<std::path::PathBuf> {
    let found = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.exists());
    if found.is_none() {
        println!("skipped: {program} is not installed");
    }
    found
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A port that is free for UDP and TCP, below those that the system gives out by itself: resolvers of other tests
/// send from hundreds of these, and one of them could be there first.
fn free_port() -> u16 {
    loop {
        let random = RandomState::new().hash_one(std::process::id());
        let port = 20_000 + u16::try_from(random % 12_000).unwrap();
        let free = UdpSocket::bind(("127.0.0.1", port)).is_ok();
        if free && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Waits until the list is served through the resolver.
fn wait_for_answer(port: u16) {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    let name = Name::from_ascii("2.0.0.127.bl.test.example.").unwrap();
    question.add_query(Query::query(name, RecordType::A));
    let bytes = question.to_vec().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut buffer = [0; 1500];
    while Instant::now() < deadline {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        if socket.send(&bytes).is_err() {
            continue;
        }
        if let Ok(length) = socket.recv(&mut buffer)
            && let Ok(answer) = Message::from_vec(&buffer[..length])
            && answer.metadata.response_code == ResponseCode::NoError
            && !answer.answers.is_empty()
        {
            return;
        }
    }
    panic!("the list is not served after 20 s");
}
