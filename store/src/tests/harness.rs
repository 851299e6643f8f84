//! A database for each test: a file of SQLite's, or one in a throw-away PostgreSQL that all tests
//! of a run share. It is started by the first that needs it and ends, folder and all, with the run.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{Store, VaultKey};

pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A store of one's own.
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) url: String,
    folder: Option<TempDir>,
}

impl Bench {
    /// One more store on the same database, as another node would open it.
    pub(crate) async fn again(&self) -> Store {
        Store::open(&self.url, VaultKey::from_text(KEY).unwrap())
            .await
            .unwrap()
    }

    /// A connection that goes by no rule of the store.
    pub(crate) async fn raw(&self) -> sqlx::AnyConnection {
        sqlx::AnyConnection::connect(&self.url).await.unwrap()
    }

    /// The folder of the database's files, if it has them.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }
}

pub(crate) async fn sqlite() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/store.db?mode=rwc", folder.path().display());
    let store = Store::open(&url, VaultKey::from_text(KEY).unwrap())
        .await
        .unwrap();
    Bench {
        store,
        url,
        folder: Some(folder),
    }
}

pub(crate) async fn postgres() -> Bench {
    let server = tokio::task::spawn_blocking(server).await.unwrap();
    sqlx::any::install_default_drivers();
    let name = format!("t{}", Uuid::now_v7().simple());
    let mut admin = sqlx::AnyConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut admin)
        .await
        .unwrap();
    let url = server.url(&name);
    let store = Store::open(&url, VaultKey::from_text(KEY).unwrap())
        .await
        .unwrap();
    Bench {
        store,
        url,
        folder: None,
    }
}

/// Runs each test on both databases.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::tests::harness::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::tests::harness::postgres().await).await;
            })+
        }
    };
}
pub(crate) use on_both;

struct Server {
    folder: PathBuf,
    /// Its standard input is what keeps it alive: it closes when this process ends, however it ends.
    _keeper: Child,
}

impl Server {
    /// By its socket only, so that no port is taken.
    fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://sallyport@localhost/{database}?host={folder}")
    }
}

const KEEPER: &str = r#"
trap '' INT TERM HUP
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off >"$2/log" 2>&1 </dev/null &
server=$!
read -r _
kill -INT $server
wait $server
rm -rf "$2"
"#;

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("sallyport-pg-")
            .tempdir()
            .unwrap()
            .keep();
        // PostgreSQL refuses to run as root.
        let root = std::fs::metadata("/proc/self")
            .is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        if root {
            std::os::unix::fs::chown(&folder, Some(65534), Some(65534)).unwrap();
        }
        let unprivileged = |program: &Path| {
            if !root {
                return Command::new(program);
            }
            let mut command = Command::new("setpriv");
            command
                .args([
                    "--reuid",
                    "65534",
                    "--regid",
                    "65534",
                    "--clear-groups",
                    "--",
                ])
                .arg(program);
            command
        };
        let made = unprivileged(&programs.join("initdb"))
            .arg("-D")
            .arg(folder.join("data"))
            .args([
                "-U",
                "sallyport",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let keeper = unprivileged(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([&programs, &folder])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = || {
            let asked = Command::new(programs.join("pg_isready"))
                .arg("-q")
                .arg("-h")
                .arg(&folder)
                .status();
            asked.is_ok_and(|status| status.success())
        };
        let mut tries = 0;
        while !ready() {
            tries += 1;
            assert!(
                tries < 300,
                "PostgreSQL does not start, see {}/log",
                folder.display()
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Server {
            folder,
            _keeper: keeper,
        }
    })
}

/// Where PostgreSQL's programs are: the newest version of Debian's, else wherever the path finds them.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .max();
    let in_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    };
    newest
        .or_else(in_path)
        .expect("PostgreSQL's server is not installed: apt-get install postgresql")
}
