//! RDP: real clients at real desktops, once without anything between them and once through the gateway, in turn.
//!
//! Parts: rdp-keys, rdp-video, rdp-memory, rdp-tape.

mod crowd;
mod eye;
mod film;
mod hours;
pub mod painter;
mod rows;
mod threads;

mod video;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rand::Rng;
use sallyport_tests::harness::{
    ACCOUNT, ACCOUNT_PASSWORD, Daemon, Gateway, Rdp, RdpClient, RdpHost, Screen, Security, Shadow,
    Xrdp,
};

use crate::rows::Row;
use crate::table::{DIRECT, OURS, Table};
use eye::Eye;
use painter::SPOT;
pub use rows::RDP;

/// For anything between two desktops.
const PATIENCE: Duration = Duration::from_secs(60);
/// What its program is called on a target.
const PAINTER: &str = "painter";
/// For the echo of a key.
const ONE_KEY: Duration = Duration::from_secs(2);

/// How often and how much.
pub struct Plan {
    rounds: usize,
    keys: usize,
    /// Of noise, in each round.
    film: Duration,
    /// Of each kind of use.
    day: Duration,
    idle: usize,
}

/// All of it.
pub const FULL: Plan = Plan {
    rounds: 5,
    keys: 40,
    film: Duration::from_secs(10),
    day: Duration::from_secs(60),
    idle: 100,
};
/// Less of it.
pub const QUICK: Plan = Plan {
    rounds: 2,
    keys: 40,
    film: Duration::from_secs(5),
    day: Duration::from_secs(15),
    idle: 20,
};

/// A target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// xrdp, with bitmaps of 24 bits.
    Xrdp,
    /// FreeRDP's shadow server, with NLA and RemoteFX.
    Shadow,
}

/// A run.
pub struct Desktops {
    plan: Plan,
    gateway: Gateway,
    xrdp: Xrdp,
    shadow: Shadow,
    table: Table,
}

/// A part's name, and what it does.
type Part = (&'static str, fn(&mut Desktops));

/// The parts, in the order in which they run.
pub const PARTS: [Part; 4] = [
    ("rdp-keys", Desktops::keys),
    ("rdp-video", Desktops::video),
    ("rdp-memory", Desktops::memory),
    ("rdp-tape", Desktops::tape),
];

/// The ways to a target.
pub const WAYS: [&str; 2] = [DIRECT, OURS];

impl Desktops {
    /// With targets of its own.
    pub fn start(plan: Plan) -> Self {
        let (xrdp, shadow) = (Xrdp::start(), Shadow::start());
        // The account cannot see where this program lies.
        let this = std::env::current_exe().expect("a running program has a path");
        std::fs::copy(this, xrdp.home().join(PAINTER)).expect("a program for the target");
        let gateway = Gateway::builder()
            .rdp_host(RdpHost::new("desk", xrdp.port()))
            .rdp_host(RdpHost::new("shadow", shadow.port()))
            .start();
        Self {
            plan,
            gateway,
            xrdp,
            shadow,
            table: Table::default(),
        }
    }

    /// What was measured.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// A client that goes to a target this way.
    fn client(&self, place: Place, way: &str) -> Rdp {
        let client = match (place, way) {
            (Place::Xrdp, DIRECT) => Rdp::xfreerdp(self.xrdp.port())
                .login(ACCOUNT, ACCOUNT_PASSWORD)
                .security(Security::Tls),
            (Place::Shadow, DIRECT) => Rdp::xfreerdp(self.shadow.port())
                .login(ACCOUNT, ACCOUNT_PASSWORD)
                .security(Security::Nla),
            (Place::Xrdp, _) => self.gateway.xfreerdp("alice+desk"),
            (Place::Shadow, _) => self.gateway.xfreerdp("alice+shadow"),
        };
        // What the gateway does not let pass, because tapes could not be entered anywhere then, is not asked for either way:
        // compared are the same streams. (Without a gateway xrdp would compress the noise, for half the frames.)
        let client = client.option("-compression").option("-bitmap-cache");
        match place {
            Place::Xrdp => client.depth(24),
            Place::Shadow => client.depth(32).option("/rfx"),
        }
    }

    /// A client that shows the target's desktop. On xrdp, whoever comes finds the session that the one before left.
    fn desktop(&self, place: Place, way: &str) -> RdpClient {
        let mut client = self.client(place, way).start();
        client.wait_desktop(PATIENCE);
        client
    }

    /// The target's own screen.
    fn screen(&self, place: Place) -> Screen {
        match place {
            Place::Xrdp => (*self.xrdp.session(PATIENCE)).clone(),
            Place::Shadow => self.shadow.display().screen(),
        }
    }

    /// Begins to paint on the target's screen.
    fn paint(&self, place: Place, what: &str) -> Daemon {
        let mut program = match place {
            Place::Xrdp => {
                let path = PathBuf::from(format!("/home/{ACCOUNT}")).join(PAINTER);
                let session = self.xrdp.session(PATIENCE);
                self.xrdp.program(&session, &path.to_string_lossy())
            }
            Place::Shadow => {
                let this = std::env::current_exe().expect("a running program has a path");
                self.shadow.display().program(this)
            }
        };
        program.args(["paint", what]).stdin(Stdio::null());
        Daemon::spawn(program)
    }

    fn keys(&mut self) {
        let rows = [
            (Place::Xrdp, [Row::KeyXrdp, Row::KeyXrdpP95]),
            (Place::Shadow, [Row::KeyShadow, Row::KeyShadowP95]),
        ];
        for _ in 0..self.plan.rounds {
            for (place, rows) in rows {
                for way in WAYS {
                    for time in self.echoes(place, way) {
                        for row in rows {
                            self.table.add(row, way, time);
                        }
                    }
                }
            }
        }
    }

    /// From keys pressed to pixels seen, in ms.
    fn echoes(&self, place: Place, way: &str) -> Vec<f64> {
        let client = self.desktop(place, way);
        let _pad = self.paint(place, "keys");
        let spot = SPOT.0.try_into().ok().zip(SPOT.1.try_into().ok());
        let spot = spot.expect("it is on the screen");
        client.point_at(&self.screen(place), spot, PATIENCE);
        let eye = Eye::open(client.display().name());
        let mut times = Vec::new();
        let mut lost = 0;
        while times.len() < self.plan.keys {
            // At any moment between two pictures of whoever makes them at a pace of his own.
            std::thread::sleep(Duration::from_millis(rand::rng().random_range(40..80)));
            eye.blink();
            let pressed = eye.press();
            match eye.next(ONE_KEY) {
                Some(seen) => times.push((seen - pressed).as_secs_f64() * 1000.0),
                // Before the pad is there.
                None => lost += 1,
            }
            assert!(lost < 5, "{way}: keys are not seen:\n{}", client.log());
        }
        // The first finds caches cold.
        times.split_off(1)
    }
}
