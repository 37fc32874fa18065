//! Sign-in by a provider that others have written: Glewlwyd, from Debian's packages (`tests/console/glewlwyd/unpack.sh`),
//! set up by its own API.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::client::{Answer, Request};
use super::daemon::Config;
use super::database;
use super::place::{folder, free_port, installed, unpacked, wait_for};
use super::process::Process;
use super::site::Site;

/// A running Glewlwyd, in which its own `admin` has signed in.
struct Glewlwyd {
    port: u16,
    cookie: String,
    folder: tempfile::TempDir,
    _process: Process,
}

impl Glewlwyd {
    /// `None`, and a word, where it is not there.
    fn start() -> Option<Glewlwyd> {
        let root = unpacked("MAILWEIR_GLEWLWYD", "glewlwyd", "usr/bin/glewlwyd")?;
        let (folder, port) = (folder(), free_port());
        let file = folder.path().join("glewlwyd.conf");
        std::fs::write(&file, configuration(&root, folder.path(), port)).unwrap();
        create_database(&root, folder.path());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Process::spawn(
            Command::new(root.join("usr/bin/glewlwyd"))
                .arg(format!("--config-file={}", file.display()))
                .env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"))
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log),
        );
        wait_for("Glewlwyd", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let mut glewlwyd = Glewlwyd {
            port,
            cookie: String::new(),
            folder,
            _process: process,
        };
        let name = json!({ "username": "admin", "password": "password" });
        let signed_in = glewlwyd.call("POST", "/api/auth/", &name);
        glewlwyd.cookie = signed_in.cookie().unwrap();
        Some(glewlwyd)
    }

    fn call(&self, method: &'static str, path: &str, body: &Value) -> Answer {
        let request = Request::new(self.port, method, path).session(&self.cookie);
        let request = request.field("Content-Type", "application/json");
        let answer = request.body(body.to_string().as_bytes()).send();
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer
    }

    fn issuer(&self) -> String {
        format!("http://localhost:{}/api/oidc", self.port)
    }

    /// Makes it a provider with a key of this kind, and `site` a client of it.
    fn provide(&self, kind: &str, key: &[&str]) {
        let pem = |args: &[&str]| {
            let made = Command::new(installed("openssl").unwrap())
                .args(args)
                .current_dir(self.folder.path())
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            String::from_utf8(made.stdout).unwrap()
        };
        let private = pem(key);
        std::fs::write(self.folder.path().join("key.pem"), &private).unwrap();
        let public = pem(&["pkey", "-in", "key.pem", "-pubout"]);
        let claim = |name: &str, property: &str| json!({ "name": name, "user-property": property, "type": "string", "mandatory": true, "scope": [] });
        self.call(
            "POST",
            "/api/mod/plugin",
            &json!({
                "module": "oidc", "name": "oidc", "display_name": "OIDC", "enabled": true,
                "parameters": {
                    "iss": self.issuer(), "jwt-type": kind, "jwt-key-size": "256",
                    "key": private, "cert": public, "jwks-show": true,
                    "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600,
                    "refresh-token-rolling": true, "allow-non-oidc": false,
                    "auth-type-code-enabled": true, "auth-type-id-token-enabled": true,
                    "auth-type-token-enabled": false, "auth-type-none-enabled": false,
                    "auth-type-password-enabled": false, "auth-type-client-enabled": false,
                    "auth-type-refresh-enabled": false, "auth-type-code-revoke-replayed": true,
                    "subject-type": "public", "oauth-as-iss-id": true,
                    "pkce-allowed": true, "pkce-required": true, "pkce-method-plain-allowed": false,
                    "session-management-allowed": true, "session-cookie-name": "SID",
                    "session-cookie-expiration": 3600,
                    "claims": [claim("preferred_username", "username"), claim("groups", "scope")],
                },
            }),
        );
    }

    /// Makes a console one of its clients, and its `admin` one who may use it.
    fn register(&self, site: &Site) {
        self.call(
            "POST",
            "/api/client/",
            &json!({
                "client_id": "mailweir", "name": "mailweir", "client_secret": SECRET,
                "confidential": true, "enabled": true, "scope": [], "authorization_type": ["code"],
                "redirect_uri": [format!("{}/login/oidc/callback", site.url())],
                "post_logout_redirect_uri": format!("{}/login", site.url()),
                "token_endpoint_auth_method": ["client_secret_basic"],
            }),
        );
        let scopes = json!(["g_admin", "g_profile", "openid"]);
        let user = json!({ "username": "admin", "name": "Ann", "enabled": true, "scope": scopes });
        self.call("PUT", "/api/user/admin", &user);
        let grant = json!({ "scope": "openid" });
        self.call("PUT", "/api/auth/grant/mailweir", &grant);
    }
}

/// It takes secrets as they come, and not as RFC 6749 has them written.
const SECRET: &str = "a-secret-of-the-console";

fn configuration(root: &Path, folder: &Path, port: u16) -> String {
    let (root, folder) = (root.display(), folder.display());
    let modules = format!("{root}/usr/lib/glewlwyd");
    format!(
        "port={port}\nbind_address=\"127.0.0.1\"\nexternal_url=\"http://localhost:{port}\"\n\
         login_url=\"login.html\"\napi_prefix=\"api\"\nstatic_files_path=\"{root}/usr/share/glewlwyd/webapp/\"\n\
         log_mode=\"console\"\nlog_level=\"INFO\"\ncookie_domain=\"localhost\"\ncookie_secure=0\n\
         session_expiration=3600\nsession_key=\"GLEWLWYD\"\nadmin_scope=\"g_admin\"\nprofile_scope=\"g_profile\"\n\
         user_module_path=\"{modules}/user\"\nuser_middleware_module_path=\"{modules}/user\"\n\
         client_module_path=\"{modules}/client\"\nuser_auth_scheme_module_path=\"{modules}/scheme\"\n\
         plugin_module_path=\"{modules}/plugin\"\nuse_secure_connection=false\n\
         secure_connection_key_file=\"/none\"\nsecure_connection_pem_file=\"/none\"\n\
         secure_connection_ca_file=\"/none\"\nhash_algorithm=\"SHA512\"\n\
         database = {{ type = \"sqlite3\"; path = \"{folder}/glewlwyd.db\"; }};\n"
    )
}

/// As its documentation does with the command line of SQLite.
fn create_database(root: &Path, folder: &Path) {
    let file = root.join("usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz");
    let mut statements = String::new();
    GzDecoder::new(std::fs::File::open(file).unwrap())
        .read_to_string(&mut statements)
        .unwrap();
    database::run(&folder.join("glewlwyd.db"), &statements);
}

#[test]
fn a_provider_that_others_have_written_signs_people_in() {
    if installed("openssl").is_none() {
        return;
    }
    for (kind, key) in [
        (
            "rsa",
            [
                "genpkey",
                "-algorithm",
                "RSA",
                "-pkeyopt",
                "rsa_keygen_bits:2048",
            ],
        ),
        (
            "ecdsa",
            [
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ],
        ),
    ] {
        let Some(glewlwyd) = Glewlwyd::start() else {
            return;
        };
        glewlwyd.provide(kind, &key);
        let secret = glewlwyd.folder.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let keys = format!(
            ", oidc: {{ issuer: '{}', client_id: mailweir, client_secret_file: '{}', scopes: [openid], \
               role_claim: groups, roles: {{ analyst: [g_admin] }}, create: true }}",
            glewlwyd.issuer(),
            secret.display()
        );
        let site = Site::empty(Config::default(), &keys);
        glewlwyd.register(&site);
        let check = super::daemon::program()
            .args(["check", "--strict", "--config"])
            .arg(site.daemon.path().join("mailweir.yaml"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(
            check.status.success() && told.contains("1 keys"),
            "{check:?}"
        );
        // Its page has a button for those who have signed in there; what it leads to stands in its source.
        let leave = site.get("/login/oidc").send();
        let place = leave.field("location").unwrap();
        let path = place.strip_prefix(&format!("http://localhost:{}", glewlwyd.port));
        let path = format!("{}&g_continue", path.unwrap());
        let granted = Request::new(glewlwyd.port, "GET", &path);
        let granted = granted.session(&glewlwyd.cookie).send();
        let back = granted.field("location").unwrap();
        let back = back
            .strip_prefix(&site.url())
            .unwrap_or_else(|| panic!("{granted:?}"));
        let cookie = leave.cookie().unwrap();
        let answer = site.get(back).session(&cookie).send();
        assert_eq!(
            answer.status,
            200,
            "{kind}: {answer:?}\n{}",
            site.daemon.log()
        );
        let session = answer.cookie().unwrap();
        let who = site.get("/api/whoami").session(&session).send();
        assert_eq!(
            who.body,
            r#"{"name":"admin","role":"analyst","token":null}"#
        );
        let page = site.get("/account").session(&session).send();
        let out = site.post("/logout").session(&session);
        let out = out.form(&[("form_token", &page.form_token())]).send();
        assert!(
            out.body.contains("/end_session?client_id=mailweir"),
            "{out:?}"
        );
    }
}
